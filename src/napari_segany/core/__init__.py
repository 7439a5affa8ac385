"""Arrays in, arrays out: no files, no napari, no Qt, no knowledge of any one model."""
