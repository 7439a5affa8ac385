"""Expected shapes of round objects: each section is smaller than the one before, up to the end."""

import numpy as np

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
    # What each pixel of the smaller mask shows lies further out in this one.
    rows, cols = (
        np.rint((np.arange(n) - middle) / factor + middle).astype(np.intp)
        for n, middle in zip(crop.shape, centre, strict=True)
    )
    shown = np.ix_((rows >= 0) & (rows < len(rows)), (cols >= 0) & (cols < len(cols)))
    smaller = np.zeros(crop.shape, bool)
    smaller[shown] = crop[np.ix_(rows[shown[0].ravel()], cols[shown[1].ravel()])]
    if not smaller.any():
        return mask
    return MaskSet.from_crops(mask.shape, [smaller], [tuple(mask.boxes[0, :2].tolist())])
