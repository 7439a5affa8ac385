"""Background work: the job queue, and long work in the GUI thread in short chunks."""
