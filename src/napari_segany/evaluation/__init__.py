"""Evaluation of segmentations by the scores of the literature."""
