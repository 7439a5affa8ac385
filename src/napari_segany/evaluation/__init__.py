"""How good segmentations are, measured as the literature does."""
