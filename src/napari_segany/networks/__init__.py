"""Torch modules whose parameters carry the names of the published checkpoints."""
