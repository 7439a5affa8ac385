"""SAM 2.1 on single images, by the networks of transformers."""
