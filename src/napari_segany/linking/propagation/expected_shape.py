"""Expected shapes: between two sections that are known, and of round objects up to their end."""

import numpy as np

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import centroids
from napari_segany.linking.shape_interpolation import interpolate_mask

LEAST_SECTION = 0.05
"""Area of the smallest section that is expected, in areas of the largest one: no model segments
points."""

LEAST_FACTOR = 0.6
"""Factor by which the diameter of an object shrinks from one plane to the next at most."""

AREA_ERROR = 0.15
"""Standard deviation of the area of a section from that of an ellipsoid, in areas of the largest
section."""

REACH_ERROR = 0.4
"""Standard deviation of an object's curvature along Z, as part of the usual one: how surely the
usual reach is that of an object."""


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


def fit_reach(distance: float, area: float, reach: float) -> float:
    """Return the distance at which an ellipsoid ends of which two sections are known.

    The usual reach and the area of the other section are weighed: a section near the largest one
    says little about the end.

    Parameters
    ----------
    distance : float
        Distance of the other section from the largest one, above 0.
    area : float
        Its area, in areas of the largest section.
    reach : float
        Distance at which such objects usually end, in the same unit.
    """
    usual = (distance / reach) ** 2
    known, prior = (usual / AREA_ERROR) ** 2, 1 / REACH_ERROR**2
    curvature = (prior + known * (1 - min(area, 1.0)) / usual) / (prior + known)
    # The object is there at that distance.
    return float(max(reach / np.sqrt(curvature), distance / np.sqrt(1 - LEAST_SECTION)))


def shape_towards(mask: MaskSet, other: MaskSet, part: float) -> MaskSet:
    """Return a set of one mask at a fraction of the way from one mask to another.

    Parameters
    ----------
    mask, other : MaskSet
        One mask each, not empty, of the same plane size.
    part : float
        0..1, 0 for the shape and place of ``mask``.
    """
    (one, start), (two, end) = (
        (each.crop(0), (int(each.boxes[0, 0]), int(each.boxes[0, 1]))) for each in (mask, other)
    )
    crop, (top, left) = interpolate_mask(one, start, two, end, part)
    height, width = mask.shape
    crop = crop[max(0, -top) : height - top, max(0, -left) : width - left]
    if not crop.any():
        return mask
    return MaskSet.from_crops(mask.shape, [crop], [(max(0, top), max(0, left))])


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
