"""Objects through the planes of volumes and the frames of movies."""
