"""Objects through planes: candidates of single planes are linked into objects of a volume."""
