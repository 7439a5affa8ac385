"""Correction of tracks without Qt and napari."""
