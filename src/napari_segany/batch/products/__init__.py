"""What a batch makes of each image: labels, edge maps or proposals."""
