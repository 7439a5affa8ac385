"""Files of tracks: writing for other programs, and reading of theirs."""
