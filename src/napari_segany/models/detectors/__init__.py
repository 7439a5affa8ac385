"""Text models of transformers: OWLv2, Grounding DINO and CLIP."""
