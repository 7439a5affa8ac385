"""Search of planes in overlapping tiles."""
