"""Reading of images plane by plane; writing of labels, tables, overlays and recipes."""
