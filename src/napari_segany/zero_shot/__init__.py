"""The paper's zero-shot tasks: edges and object proposals, with a model that was taught neither."""
