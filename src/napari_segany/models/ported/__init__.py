"""The shape that all families share whose networks are those of transformers."""
