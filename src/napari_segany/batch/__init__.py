"""Batches: many files with one recipe, in one process or on a cluster, resumed after a crash."""
