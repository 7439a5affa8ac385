"""Layers that are made in the background, so that the first ones of the window are quick."""

import numpy as np
from napari.layers import Labels, Points, Shapes
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from numpy.typing import NDArray

DTYPES = (np.uint8, np.int32)
"""Types of the labels layers of this package: previews, and results."""


def warm_up_layers() -> None:
    """Make small layers of each kind that this package adds, and drop them; needs no Qt.

    Where numba is installed, napari compiles functions when the first layer needs them, or loads
    them from its cache: for colours of each type of labels, and for the edges of shapes. This would
    take the GUI thread half a second. Any thread may do it before: numba has a lock of its own.
    """
    colours: NDArray[np.float64] = np.array([[0, 0, 0, 0], [1, 0, 0, 1]], float)
    direct = DirectLabelColormap(color_dict=dict(zip((None, 1), colours, strict=True)))
    for dtype in DTYPES:
        for colormap in (None, direct, CyclicLabelColormap(colors=colours)):
            Labels(np.zeros((2, 2), dtype), colormap=colormap)
    Shapes(ndim=2)
    Points(ndim=2)
