"""Objects like examples: frozen features of the examples, and a search for what resembles them."""
