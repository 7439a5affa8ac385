"""Objects of a volume from the finder's maps of its planes."""
