"""Weights and the models that use them: catalogue, cache, fetching, checkpoints, prediction."""
