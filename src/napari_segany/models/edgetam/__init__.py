"""EdgeTAM on single images, by the networks of transformers and timm."""
