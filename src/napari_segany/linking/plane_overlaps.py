"""Overlaps of the candidates of two planes, after the shift that fits them best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import Shift, centroids, shift_masks

FEWEST_PAIRS = 3
"""Pairs of objects that a shift is estimated from at least."""

BOXES_AT_ONCE = 256
"""Candidates of one plane whose boxes are compared with all of the other at once."""

SURE_IOU = 0.3
"""IoU from which two objects of neighbouring planes are taken for one while a shift is sought."""


@dataclass(frozen=True, eq=False)
class PlaneOverlaps:
    """Pairs of candidates of two planes that share pixels.

    Attributes
    ----------
    pairs : ndarray
        (K, 2) index in the one plane and in the other, in ascending order.
    iou : ndarray
        (K,) float64 intersection over union.
    contained : ndarray
        (K,) float64 part of the smaller one that both share.
    """

    pairs: NDArray[np.intp]
    iou: NDArray[np.float64]
    contained: NDArray[np.float64]

    @property
    def overlap(self) -> NDArray[np.float64]:
        """(K,) geometric mean of IoU and shared part of the smaller one.

        The IoU alone is low where an object tapers off, the shared part alone is high wherever
        something small lies on something large. So neither can make up for a lack of the other.
        """
        mean: NDArray[np.float64] = np.sqrt(self.iou * self.contained)
        return mean


def compare_planes(one: MaskSet, two: MaskSet, shift: Shift = (0, 0)) -> PlaneOverlaps:
    """Return the overlaps of two sets of masks.

    Parameters
    ----------
    one, two : MaskSet
        Masks of two planes of one shape.
    shift : tuple of int
        Rows and columns by which ``one`` is moved first.
    """
    moved = shift_masks(one, shift)
    pairs = _near_pairs(moved, two)
    both = MaskSet.concatenate([moved, two])
    shared = both.count_shared(pairs[:, 0], len(one) + pairs[:, 1]).astype(np.float64)
    pairs, shared = pairs[shared > 0], shared[shared > 0]
    areas = one.area[pairs[:, 0]], two.area[pairs[:, 1]]
    return PlaneOverlaps(
        pairs,
        shared / (areas[0] + areas[1] - shared),
        shared / np.minimum(*areas),
    )


def _near_pairs(one: MaskSet, two: MaskSet) -> NDArray[np.intp]:
    """Return (K, 2) masks whose boxes overlap, in ascending order."""
    found = [np.zeros((0, 2), np.intp)]
    # A part at a time, as planes may have thousands of candidates.
    for start in range(0, len(one), BOXES_AT_ONCE):
        boxes = one.boxes[start : start + BOXES_AT_ONCE, None]
        low = np.maximum(boxes[..., :2], two.boxes[None, :, :2])
        high = np.minimum(boxes[..., 2:], two.boxes[None, :, 2:])
        # Empty masks have boxes without pixels.
        found.append(np.argwhere((high > low).all(axis=2)) + np.array([start, 0]))
    return np.concatenate(found)


def best_shift(one: MaskSet, two: MaskSet) -> Shift:
    """Return rows and columns by which objects of ``one`` lie elsewhere in ``two``.

    The shift is the median way between the centres of objects that overlap well, and (0, 0) where
    it does not make these overlap better.
    """
    before = compare_planes(one, two)
    sure = _mutual_best(before, len(one), len(two))
    if len(sure) < FEWEST_PAIRS:
        return 0, 0
    pairs = before.pairs[sure]
    way = centroids(two[pairs[:, 1]]) - centroids(one[pairs[:, 0]])
    rows, cols = np.rint(np.median(way, axis=0)).astype(int).tolist()
    if not (rows or cols):
        return 0, 0
    after = compare_planes(one[pairs[:, 0]], two[pairs[:, 1]], (rows, cols))
    same = after.pairs[:, 0] == after.pairs[:, 1]
    better = after.iou[same].sum() > before.iou[sure].sum()
    return (rows, cols) if better else (0, 0)


def _mutual_best(overlaps: PlaneOverlaps, ones: int, twos: int) -> NDArray[np.intp]:
    """Return the pairs in which each is the best partner of the other, and a good one."""
    i, j = overlaps.pairs.T
    best_one, best_two = np.zeros(ones), np.zeros(twos)
    np.maximum.at(best_one, i, overlaps.iou)
    np.maximum.at(best_two, j, overlaps.iou)
    mutual = (overlaps.iou == best_one[i]) & (overlaps.iou == best_two[j])
    return np.flatnonzero(mutual & (overlaps.iou >= SURE_IOU))
