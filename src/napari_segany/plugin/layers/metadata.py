"""Keys of layer metadata, and names of the layers that the plugin adds for its own use."""

METADATA = "napari_segany"
"""Key of a labels layer's provenance: recipe or session record."""

EARLIER = "napari_segany_earlier"
"""Key of the records of sessions that wrote into the layer before."""

POINTS, BOXES, PREVIEW = "segany points", "segany shapes", "segany preview"
"""Names of the prompt layers and of the preview."""

SELECTION = "segany selection"
"""Name of the layer with outlines of selected tracks."""

FOUND = "segany everything"
"""Name of the layer that shows the kept masks of a search."""

OWN_NAMES = (POINTS, BOXES, PREVIEW, SELECTION)
"""Names of layers that are not offered as input."""
