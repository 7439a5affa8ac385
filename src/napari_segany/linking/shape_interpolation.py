"""Shapes between two shapes, by signed distances."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Origin = tuple[int, int]
"""Row and column of the first pixel of a mask on the plane."""


def interpolate_mask(
    one: NDArray[np.bool_],
    one_origin: Origin,
    two: NDArray[np.bool_],
    two_origin: Origin,
    part: float,
) -> tuple[NDArray[np.bool_], Origin]:
    """Return the shape at a fraction of the way between two shapes.

    Both are moved so that their centres of gravity lie where the shape's is to be; pixels belong to
    it where the weighted mean of the signed distances to both outlines is inside.

    Parameters
    ----------
    one, two : ndarray
        (h, w) boolean masks with at least one pixel each.
    one_origin, two_origin : tuple of int
        Row and column of their first pixels on the plane.
    part : float
        0..1, 0 for the shape of ``one``.

    Returns
    -------
    mask : ndarray
        (h, w) boolean.
    origin : tuple of int
        Row and column of its first pixel, outside the plane perhaps.
    """
    centres = [
        np.argwhere(mask).mean(axis=0) + origin
        for mask, origin in ((one, one_origin), (two, two_origin))
    ]
    centre = (1 - part) * centres[0] + part * centres[1]
    starts = [
        np.rint(np.array(origin) + centre - own).astype(int)
        for origin, own in zip((one_origin, two_origin), centres, strict=True)
    ]
    first = np.minimum(*starts) - 1
    end = np.maximum(*(s + np.array(m.shape) for s, m in zip(starts, (one, two), strict=True))) + 1
    between = np.zeros(end - first)
    for mask, start, weight in zip((one, two), starts, (1 - part, part), strict=True):
        placed = np.zeros(end - first, bool)
        top, left = start - first
        placed[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        between += weight * signed_distance(placed)
    return between > 0, (int(first[0]), int(first[1]))


def signed_distance(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the distance to the outline in pixels, positive inside; both sides must be there."""
    inside = ndimage.distance_transform_edt(mask)
    outside = ndimage.distance_transform_edt(~mask)
    distance: NDArray[np.float64] = np.where(mask, inside - 0.5, 0.5 - outside)
    return distance
