"""napari layers: transforms, image views, and conversions to and from layer data."""
