"""Arrays in, arrays out: no files, no napari, no Qt, no model but SAM's frame in ``geometry``."""
