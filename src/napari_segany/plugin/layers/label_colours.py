"""Functions by which napari colours labels, compiled before a layer needs them."""

from typing import Any

import numpy as np
from napari.utils import CyclicLabelColormap, DirectLabelColormap
from napari.utils.colormaps import label_colormap
from numpy.typing import NDArray

DTYPES = (np.uint8, np.int32)
"""Types of the labels layers of this package: previews, and results."""


def compile_colouring() -> None:
    """Colour small images, for which napari compiles its functions for each type of labels.

    Where numba is installed napari compiles them when the first layer needs them, which takes the
    GUI thread half a second. Any thread may do it before: numba has a lock of its own.
    """
    colours = np.array([[0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 0, 1]], float)
    direct = DirectLabelColormap(color_dict=dict(zip((None, 0, 1), colours, strict=True)))
    cyclic: CyclicLabelColormap = label_colormap(len(colours))
    for dtype in DTYPES:
        image: NDArray[Any] = np.zeros((2, 2), dtype)
        direct.map(image)
        cyclic.map(image)
