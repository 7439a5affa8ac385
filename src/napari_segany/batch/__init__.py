"""Many files with one recipe: planned, computed here or on a cluster, resumed after a crash."""
