"""SAM-HQ on single images, by the networks of transformers."""
