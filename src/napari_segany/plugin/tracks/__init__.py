"""Dock that links the labels of a movie and corrects the tracks."""
