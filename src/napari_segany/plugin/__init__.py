"""All that imports napari; see ``napari.yaml`` for what it contributes."""
