"""Zero-shot tasks of the paper: edges and object proposals, from a model trained for neither."""
