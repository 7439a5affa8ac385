"""The Evaluate dock: compare labels with ground truth."""
