"""The products of a batch: labels, edge maps, proposals."""
