"""Non-maximum suppression: keep the best of masks that mean the same object."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def box_iou(box: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the intersection over union of one box with N others.

    Parameters
    ----------
    box, others : ndarray
        (4,) and (N, 4) row_min, col_min, row_max, col_max; extents are max - min.

    Returns
    -------
    ndarray
        (N,) in 0..1; 0 where the union is empty.

    Examples
    --------
    >>> others = np.array([[0, 0, 2, 2], [0, 1, 2, 3], [5, 5, 6, 6]])
    >>> box_iou(np.array([0, 0, 2, 2]), others).round(2).tolist()
    [1.0, 0.33, 0.0]
    """
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    union = np.prod(box[2:] - box[:2]) + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    iou: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(len(others)), where=union > 0)
    return iou


def _suppress(
    scores: NDArray[np.floating],
    overlapping: Callable[[int, NDArray[np.intp]], NDArray[np.bool_]],
) -> NDArray[np.intp]:
    """Keep the best remaining index, drop what ``overlapping(kept, rest)`` marks, repeat."""
    rest = np.argsort(-scores, kind="stable")
    kept = []
    while len(rest):
        best, rest = int(rest[0]), rest[1:]
        kept.append(best)
        if len(rest):
            rest = rest[~overlapping(best, rest)]
    return np.asarray(kept, dtype=np.intp)


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
    boxes = np.asarray(boxes, dtype=np.float64)
    return _suppress(np.asarray(scores), lambda i, rest: box_iou(boxes[i], boxes[rest]) > threshold)


class Overlaps:
    """Overlaps of the masks of one set; each pair is compared once, and only if it can matter.

    Parameters
    ----------
    boxes : ndarray
        (N, 4) half-open bounding boxes in pixels.
    areas : ndarray
        (N,) pixels in each mask.
    shared_pixels : callable
        Returns how many pixels masks ``i`` and ``j`` have in common.
    """

    def __init__(
        self,
        boxes: NDArray[np.integer],
        areas: NDArray[np.integer],
        shared_pixels: Callable[[int, int], int],
    ) -> None:
        self.boxes = np.asarray(boxes, dtype=np.int64)
        self.areas = np.asarray(areas, dtype=np.int64)
        self.shared_pixels = shared_pixels
        # Of each mask that was compared: masks whose boxes reach into its own, the most pixels
        # they can share, and those that they do share, NaN until they are counted.
        self._near: dict[int, tuple[NDArray[Any], ...]] = {}
        # Row of each mask among those that were compared, -1 for the others.
        self._place = np.full(len(self.areas), -1, np.intp)

    def above(
        self, i: int, others: NDArray[np.intp], threshold: float, smaller: bool = False
    ) -> NDArray[np.bool_]:
        """Return (K,) true for ``others`` that overlap mask ``i`` by more than ``threshold``.

        Overlap is the IoU, or with ``smaller`` the fraction of the smaller mask that is shared.
        """
        near, bound, shared = self._neighbours(i)
        result = np.zeros(len(others), bool)
        self._place[others] = np.arange(len(others))
        one, two = self.areas[i], self.areas[near]

        def exceeds(pixels: NDArray[Any], which: NDArray[np.intp]) -> NDArray[np.bool_]:
            whole = np.minimum(one, two[which]) if smaller else one + two[which] - pixels
            above: NDArray[np.bool_] = pixels > threshold * whole
            return above

        # No intersection is larger than either mask or than the boxes' intersection, which
        # settles most pairs without looking at a pixel.
        here = np.flatnonzero(self._place[near] >= 0)
        able = here[exceeds(bound[here], here)]
        for k in able[np.isnan(shared[able])].tolist():
            shared[k] = self.shared_pixels(i, int(near[k]))
        result[self._place[near[able[exceeds(shared[able], able)]]]] = True
        self._place[others] = -1
        return result

    def _neighbours(self, i: int) -> tuple[NDArray[Any], ...]:
        if i not in self._near:
            low = np.maximum(self.boxes[i, :2], self.boxes[:, :2])
            high = np.minimum(self.boxes[i, 2:], self.boxes[:, 2:])
            near = np.flatnonzero((high > low).all(axis=1))
            bound = (high[near] - low[near]).prod(axis=1)
            bound = np.minimum(np.minimum(bound, self.areas[near]), self.areas[i])
            self._near[i] = near, bound, np.full(len(near), np.nan)
        return self._near[i]


def mask_nms(
    overlaps: Overlaps,
    scores: NDArray[np.floating],
    threshold: float,
    among: NDArray[np.intp] | None = None,
    smaller: bool = False,
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

    Returns
    -------
    ndarray
        Positions in ``scores`` of those kept, best first.
    """
    scores = np.asarray(scores)
    masks = np.arange(len(scores)) if among is None else among
    return _suppress(
        scores, lambda i, rest: overlaps.above(int(masks[i]), masks[rest], threshold, smaller)
    )
