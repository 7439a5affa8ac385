"""Objects of a movie linked over time: tracks, divisions and their corrections."""
