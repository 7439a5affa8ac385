"""Prompts on planes that are larger than a model's frame: crops of the right scale, on demand."""
