"""Files: reading images plane by plane, writing labels, tables, pictures and recipes."""
