"""The mask decoder's arithmetic, rearranged for many prompts on one image."""
