"""Area of one pixel of a plane, in the units of the image."""

from dataclasses import dataclass

import numpy as np

from napari_segany.core.image_source import Plane
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import to_world


@dataclass(frozen=True)
class PixelArea:
    """Area of a pixel.

    Attributes
    ----------
    size : float
        Area, above 0.
    unit : str
        Unit of the area, such as "µm²"; "px" if lengths are not known, and then the size is 1.
    """

    size: float = 1.0
    unit: str = "px"


def pixel_area(view: LayerView, plane: Plane) -> PixelArea:
    """Return the area of a pixel of a plane, in the squared unit of its rows.

    It is counted in pixels where the axes of the plane have no unit of length.
    """
    rows, cols = (axis for axis, n in enumerate(plane) if n is None)
    one, other = view.units[rows], view.units[cols]
    if not (one.is_compatible_with("meter") and other.is_compatible_with("meter")):
        return PixelArea()
    matrix, _ = to_world(view)
    ends = matrix[:, [rows, cols]]
    size = float(np.sqrt(max(np.linalg.det(ends.T @ ends), 0.0)))
    size *= float((1 * other).to(one).magnitude)
    return PixelArea(size, f"{one:~P}²") if size > 0 else PixelArea()
