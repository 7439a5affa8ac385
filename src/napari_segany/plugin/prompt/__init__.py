"""The Prompt dock: segment single objects with points, boxes and scribbles."""
