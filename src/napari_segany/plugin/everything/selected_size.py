"""Size of the objects of an image, from a shape or an object that is selected."""

from typing import Any

import numpy as np
from napari.layers import Shapes

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import in_image


def selected_size(viewer: Any, view: LayerView, plane: Plane, found: MaskSet | None) -> float:
    """Return the longer side in pixels of what is selected.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer. A shape that is selected in its active layer comes first.
    view : LayerView
        The image.
    plane : tuple
        The plane in view.
    found : MaskSet or None
        The selected object, or none.

    Raises
    ------
    InputError
        If nothing is selected, or the shape has no extent.
    """
    layer = viewer.layers.selection.active
    if isinstance(layer, Shapes) and layer.selected_data:
        spots = in_image(viewer, layer, layer.data[min(layer.selected_data)], view)
        seen = spots[:, [axis for axis, n in enumerate(plane) if n is None]]
        size = float(np.ptp(seen, axis=0).max())
        if size <= 0:
            raise InputError("The selected shape has no extent in this plane.")
        return round(size, 1)
    if found is not None and len(found):
        box = found.boxes[0]
        return float((box[2:] - box[:2]).max())
    raise InputError("Draw a box around an object and select it, or click on an object found.")
