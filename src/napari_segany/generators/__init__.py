"""Mask generators: find every object of a plane with a promptable model."""
