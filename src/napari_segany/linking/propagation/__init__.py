"""Propagation: objects from prompted planes through all others, plane after plane."""
