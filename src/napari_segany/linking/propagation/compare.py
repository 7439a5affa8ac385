"""Comparison of masks of one object on neighbouring planes, and pixels to sample them at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import Shift, centroids, diameter, mask_iou, shift_masks

SAMPLES = 48
"""Pixels of a mask, and of its surroundings, at which the embedding is read at most."""

RING_UNIT = 0.25
"""Unit of distances from the outline of an object, in its diameters."""

Ring = tuple[float, float]
"""Distances from the outline of an object between which its surroundings are, in
:data:`RING_UNIT`."""

RING: Ring = (0.5, 1.5)
"""The usual surroundings: pixels at the border belong to both sides."""


@dataclass(frozen=True)
class Overlap:
    """The overlap of a candidate with the mask before, after the best of a few shifts.

    Attributes
    ----------
    iou : float
        0..1.
    shift : tuple of int
        Rows and columns from the mask before to the candidate.
    area_ratio : float
        Area of the candidate in areas of the mask before.
    """

    iou: float
    shift: Shift
    area_ratio: float


def compare_shapes(previous: MaskSet, candidates: MaskSet, most: float) -> list[Overlap]:
    """Compare K candidates with a set of one mask.

    A candidate is compared as it lies and with both centroids at the same place, if they are not
    further apart than ``most`` pixels.
    """
    start, area = centroids(previous)[0], max(1, int(previous.area[0]))
    found = []
    for candidate in candidates:
        if not candidate.area[0]:
            found.append(Overlap(0.0, (0, 0), 0.0))
            continue
        moved = centroids(candidate)[0] - start
        distance = float(np.hypot(*moved))
        # A candidate further away is compared at the end of the longest shift.
        moved *= min(1.0, most / max(distance, 1e-9))
        rows, cols = (int(n) for n in np.rint(moved))
        shifts: list[Shift] = [(0, 0)] if not (rows or cols) else [(0, 0), (rows, cols)]
        ious = [mask_iou(shift_masks(previous, shift), candidate) for shift in shifts]
        best = int(np.argmax(ious))
        found.append(Overlap(ious[best], shifts[best], int(candidate.area[0]) / area))
    return found


def sample_inside(mask: MaskSet, most: int = SAMPLES) -> NDArray[np.float64]:
    """Return (P, 2) row, column of up to ``most`` pixels of a mask, evenly spaced in its order."""
    rows, cols = np.nonzero(mask.crop(0))
    places = np.stack([rows, cols], axis=1) + mask.boxes[0, :2]
    return _thin(places, most)


def sample_around(mask: MaskSet, most: int = SAMPLES, ring: Ring = RING) -> NDArray[np.float64]:
    """Return (P, 2) row, column of up to ``most`` pixels around a mask; none if it is the plane."""
    width = max(2, round(RING_UNIT * diameter(mask)))
    a, b, c, d = mask.boxes[0].tolist()
    top, left = max(0, a - 2 * width), max(0, b - 2 * width)
    bottom, right = min(mask.shape[0], c + 2 * width), min(mask.shape[1], d + 2 * width)
    near = np.zeros((bottom - top, right - left), bool)
    near[a - top : c - top, b - left : d - left] = mask.crop(0)
    distance = ndimage.distance_transform_edt(~near)
    low, high = ring
    rows, cols = np.nonzero((distance > low * width) & (distance <= max(high * width, 2)) & ~near)
    return _thin(np.stack([rows + top, cols + left], axis=1), most)


def _thin(places: NDArray[np.generic], most: int) -> NDArray[np.float64]:
    step = max(1, -(-len(places) // most))
    return places[step // 2 :: step].astype(np.float64)


def interior_point(mask: MaskSet) -> NDArray[np.float64]:
    """Return the (row, column) of the pixel of a mask that is farthest from its border."""
    padded = np.pad(mask.crop(0), 1)
    distance = ndimage.distance_transform_edt(padded)
    row, col = np.unravel_index(int(np.argmax(distance)), distance.shape)
    return np.array([row - 1, col - 1], np.float64) + mask.boxes[0, :2]
