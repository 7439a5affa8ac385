"""Where everything is looked for: labels, or shapes drawn around it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.core.shape_prompts import ellipse
from napari_segany.errors import InputError
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.labels_to_prompts import sample_labels
from napari_segany.plugin.layers.transforms import in_image


def sample_region(
    viewer: Any, picture: LayerView, layer: Any, plane: Plane
) -> Callable[[], NDArray[np.bool_]]:
    """A function that reads a region at the pixels of one plane of a picture: (H, W), true inside.

    In labels that is where there is an object: negative ones are none.

    Shapes that have fewer axes than the picture hold for all planes; lines enclose nothing.
    Transforms are read now; what is returned may be called in another thread.

    Raises
    ------
    InputError
        If the layer has more axes than the picture, or no shape encloses anything.
    """
    if not isinstance(layer, Shapes):
        seen = sample_labels(viewer, picture, layer, plane)
        return lambda: seen() > 0
    if layer.ndim > picture.ndim:
        raise InputError(f"{layer.name} has more axes than {picture.name}.")
    enclosing = [
        (kind, in_image(viewer, layer, vertices, picture))
        for kind, vertices in zip(layer.shape_type, layer.data, strict=True)
        if kind not in ("line", "path")
    ]
    if not enclosing:
        raise InputError(f"No shape of {layer.name} encloses anything; draw a rectangle.")
    outlines = [
        ellipse(spots) if kind == "ellipse" else spots
        for kind, positions in enclosing
        if _lies_in(plane, positions, layer.ndim)
        for spots in [positions[:, [axis for axis, n in enumerate(plane) if n is None]]]
    ]
    shape = plane_shape(picture.shape, plane)

    def read() -> NDArray[np.bool_]:
        inside = np.zeros(shape, bool)
        for outline in outlines:
            inside |= polygon2mask(shape, outline)
        return inside

    return read


def _lies_in(plane: Plane, positions: NDArray[np.float64], ndim: int) -> bool:
    """Whether a shape lies in a plane, along the axes that its layer has."""
    return all(
        n is None or axis < len(plane) - ndim or round(float(positions[0, axis])) == n
        for axis, n in enumerate(plane)
    )
