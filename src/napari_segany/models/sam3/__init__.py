"""SAM 3 on single images, by the networks of transformers: points, boxes and masks."""
