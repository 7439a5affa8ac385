"""Expected shapes of round objects: each section is smaller than the one before, up to the end."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import centroids

LEAST_SECTION = 0.05
"""Area of the smallest section that is expected, in areas of the largest one: no model segments
points."""

LEAST_FACTOR = 0.6
"""Factor by which the diameter of an object shrinks from one plane to the next at most."""


def section_area(distance: float, reach: float) -> float:
    """Return the area of a section of an ellipsoid, in areas of its largest section.

    Parameters
    ----------
    distance : float
        Distance from the largest section, 0 or more.
    reach : float
        Distance at which the object ends, in the same unit.
    """
    return float(max(1 - (distance / reach) ** 2, LEAST_SECTION))


def shrink_to(mask: MaskSet, area: float) -> MaskSet:
    """Return a set of one mask, shrunk about its centroid towards an area in pixels.

    A mask that is smaller already is returned as it is; none shrinks below one pixel, or by a
    smaller factor than :data:`LEAST_FACTOR`.
    """
    factor = max(float(np.sqrt(area / max(1, int(mask.area[0])))), LEAST_FACTOR)
    if factor >= 1:
        return mask
    crop = mask.crop(0)
    centre = centroids(mask)[0] - mask.boxes[0, :2]
    inside, kept = _sources(crop.shape, centre, factor)
    smaller = np.zeros(crop.shape, bool)
    smaller[kept] = crop[inside]
    if not smaller.any():
        return mask
    return MaskSet.from_crops(mask.shape, [smaller], [tuple(mask.boxes[0, :2].tolist())])


def _sources(
    shape: tuple[int, ...], centre: NDArray[np.float64], factor: float
) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.bool_]]:
    """Return the pixels that each pixel of a shrunken image shows, and which show any."""
    rows, cols = np.indices(shape)
    at = np.stack([rows, cols], axis=-1)
    source = np.rint((at - centre) / factor + centre).astype(np.intp)
    kept: NDArray[np.bool_] = ((source >= 0) & (source < shape)).all(axis=-1)
    return (source[kept][:, 0], source[kept][:, 1]), kept
