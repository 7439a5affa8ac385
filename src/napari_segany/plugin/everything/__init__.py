"""The Everything dock: find all objects of a plane or stack, filter and review them."""
