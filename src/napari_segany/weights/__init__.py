"""Model weights: the catalogue, the cache, downloads, and checkpoint files."""
