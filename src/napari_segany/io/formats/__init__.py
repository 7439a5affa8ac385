"""Formats of image files: one opener each, found by the content of a file."""
