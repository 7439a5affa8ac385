"""Promptable models: the protocol, the registry, and one package for each family."""
