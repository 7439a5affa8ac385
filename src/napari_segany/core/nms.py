"""Non-maximum suppression: keep the best of masks that mean the same object."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.box_pairs import overlapping_pairs

CountShared = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]
"""Returns the pixels that masks ``one`` and ``two`` have in common, pair by pair."""


def iou_of_pairs(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the intersection over union of boxes, pair by pair.

    Parameters
    ----------
    boxes, others : ndarray
        (P, 4) row_min, col_min, row_max, col_max; extents are max - min.

    Returns
    -------
    ndarray
        (P,) in 0..1; 0 where the union is empty.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 2]])
    >>> iou_of_pairs(boxes, np.array([[0, 1, 2, 3], [5, 5, 6, 6]])).round(2).tolist()
    [0.33, 0.0]
    """
    sides = np.minimum(boxes[:, 2:], others[:, 2:]) - np.maximum(boxes[:, :2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, others)]
    union = areas[0] + areas[1] - shared
    iou: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(len(others)), where=union > 0)
    return iou


def dropped_by_rivals(
    scores: NDArray[np.floating], one: NDArray[np.integer], two: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Keep the best, drop what it excludes, and go on with the best of the rest.

    Parameters
    ----------
    scores : ndarray
        (N,) higher is better; among equals the first.
    one, two : ndarray
        (P,) positions of pairs that exclude each other.

    Returns
    -------
    ndarray
        (N,) true for what is dropped.

    Notes
    -----
    Everything that has no better rival left is kept at once, and drops its own rivals; the result
    is that of the greedy choice one by one.
    """
    scores = np.asarray(scores)
    low, high = np.minimum(one, two), np.maximum(one, two)
    first_wins = scores[low] >= scores[high]
    better, worse = np.where(first_wins, low, high), np.where(first_wins, high, low)
    dropped = np.zeros(len(scores), bool)
    while len(better):
        has_better = np.zeros(len(scores), bool)
        has_better[worse] = True
        dropped[worse[~has_better[better]]] = True
        left = ~(dropped[better] | dropped[worse])
        better, worse = better[left], worse[left]
    return dropped


def suppress(
    scores: NDArray[np.floating], one: NDArray[np.integer], two: NDArray[np.integer]
) -> NDArray[np.intp]:
    """Return the positions that :func:`dropped_by_rivals` leaves, best first."""
    order = np.argsort(-np.asarray(scores), kind="stable")
    return order[~dropped_by_rivals(scores, one, two)[order]]


def box_nms(
    boxes: NDArray[np.integer] | NDArray[np.floating],
    scores: NDArray[np.floating],
    threshold: float,
) -> NDArray[np.intp]:
    """Suppress greedily by IoU of bounding boxes, as in the published code.

    Parameters
    ----------
    boxes : ndarray
        (N, 4) row_min, col_min, row_max, col_max.
    scores : ndarray
        (N,) higher is better; equal scores keep their order.
    threshold : float
        Boxes whose IoU with a kept one exceeds this are dropped, 0..1.

    Returns
    -------
    ndarray
        Indices kept, best first.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30]])
    >>> box_nms(boxes, np.array([0.8, 0.9, 0.7]), 0.7).tolist()
    [1, 2]
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    one, two = overlapping_pairs(boxes)
    above = iou_of_pairs(boxes[one], boxes[two]) > threshold
    return suppress(scores, one[above], two[above])


class Overlaps:
    """Overlaps of the masks of one set; each pair is compared once, and only if it can matter.

    Parameters
    ----------
    boxes : ndarray
        (N, 4) half-open bounding boxes in pixels.
    areas : ndarray
        (N,) pixels in each mask.
    count_shared : callable
        Counts the pixels that pairs of masks have in common.
    """

    def __init__(
        self,
        boxes: NDArray[np.integer],
        areas: NDArray[np.integer],
        count_shared: CountShared,
    ) -> None:
        self.boxes = np.asarray(boxes, dtype=np.int64)
        self.areas = np.asarray(areas, dtype=np.int64)
        self.count_shared = count_shared
        self._pairs: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        # Pixels that the masks of each pair can share at most, and those that they do, -1 until
        # they are counted.
        self._bound = self._shared = np.zeros(0, np.int64)

    @property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(P,) and (P,) masks whose boxes overlap, ``one < two``."""
        if self._pairs is None:
            one, two = overlapping_pairs(self.boxes)
            low = np.maximum(self.boxes[one, :2], self.boxes[two, :2])
            high = np.minimum(self.boxes[one, 2:], self.boxes[two, 2:])
            bound = np.minimum((high - low).prod(axis=1), self.areas[one])
            self._bound = np.minimum(bound, self.areas[two])
            self._shared = np.full(len(one), -1, np.int64)
            self._pairs = one, two
        return self._pairs

    def above(
        self,
        threshold: float,
        smaller: bool = False,
        among: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.intp]:
        """Return the numbers of the pairs that overlap by more than ``threshold``.

        Overlap is the IoU, or with ``smaller`` the fraction of the smaller mask that is shared.
        Only the pairs of (P,) ``among`` are looked at.
        """
        one, two = self.pairs
        which = np.arange(len(one)) if among is None else np.flatnonzero(among)
        first, second = self.areas[one[which]], self.areas[two[which]]

        def exceeds(pixels: NDArray[np.int64], some: NDArray[np.intp] | slice) -> NDArray[np.bool_]:
            a, b = first[some], second[some]
            whole = np.minimum(a, b) if smaller else a + b - pixels
            above: NDArray[np.bool_] = pixels > threshold * whole
            return above

        # No intersection is larger than either mask or than the boxes' intersection, which
        # settles most pairs without looking at a pixel.
        able = np.flatnonzero(exceeds(self._bound[which], slice(None)))
        number = which[able]
        return number[exceeds(self.shared(number), able)]

    def shared(self, number: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return the pixels that the masks of pairs share, by the numbers of the pairs."""
        one, two = self.pairs
        unknown = number[self._shared[number] < 0]
        if len(unknown):
            self._shared[unknown] = self.count_shared(one[unknown], two[unknown])
        return self._shared[number]


def mask_nms(
    overlaps: Overlaps,
    scores: NDArray[np.floating],
    threshold: float,
    among: NDArray[np.intp] | None = None,
    smaller: bool = False,
    groups: NDArray[np.integer] | None = None,
) -> NDArray[np.intp]:
    """Suppress greedily by exact overlap of the masks themselves.

    Touching cells have overlapping boxes but not overlapping masks, so this keeps true
    neighbours that :func:`box_nms` deletes.

    Parameters
    ----------
    overlaps : Overlaps
        Of the masks.
    scores : ndarray
        (K,) higher is better; equal scores keep their order.
    threshold : float
        Masks whose overlap with a kept one exceeds this are dropped, 0..1.
    among : ndarray, optional
        (K,) which masks there are to choose from; all by default.
    smaller : bool
        Overlap is the fraction of the smaller mask that is shared, in place of the IoU: a mask
        inside a better one is dropped, too.
    groups : ndarray, optional
        (K,) masks suppress only masks of the same group.

    Returns
    -------
    ndarray
        Positions in ``scores`` of those kept, best first.
    """
    scores = np.asarray(scores)
    place = np.full(len(overlaps.areas), -1, np.intp)
    place[slice(None) if among is None else among] = np.arange(len(scores))
    one, two = (place[each] for each in overlaps.pairs)
    compared = (one >= 0) & (two >= 0)
    if groups is not None:
        compared &= groups[one] == groups[two]
    pairs = overlaps.above(threshold, smaller, compared)
    return suppress(scores, one[pairs], two[pairs])
