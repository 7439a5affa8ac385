"""Classes of objects, learned from a few that a person has labelled."""
