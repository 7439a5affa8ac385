"""Shapes of masks: solidity, and contact with the border of the plane."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from napari_segany.core.masks import MaskSet


def solidity(mask: NDArray[np.bool_]) -> float:
    """Return the pixels of a mask over the area of its convex hull, 0..1; 1 if it is empty.

    The hull is that of the pixels as squares, so that a single pixel, a line and a rectangle have
    solidity 1.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 1.0
    seen = mask[rows]
    # Only the outermost pixels of every row can be corners of the hull.
    first = seen.argmax(axis=1)
    last = mask.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    sides = [(rows + down, col) for down in (0, 1) for col in (first, last + 1)]
    points = np.concatenate([np.stack(pair, axis=1) for pair in sides]).astype(np.float64)
    try:
        area = float(ConvexHull(points).volume)
    except QhullError:
        return 1.0
    return min(float(np.count_nonzero(mask)) / area, 1.0)


def touches_border(boxes: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (N,) true for half-open (N, 4) boxes that reach the first or last row or column."""
    there = np.any(boxes[:, :2] <= 0, axis=1) | np.any(boxes[:, 2:] >= shape, axis=1)
    found: NDArray[np.bool_] = there & np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
    return found


class Solidities:
    """Solidity of the masks of one set, each computed once and only if asked for."""

    def __init__(self, masks: MaskSet) -> None:
        self._masks = masks
        self._known = np.full(len(masks), np.nan)

    def of(self, index: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the (K,) solidity of the masks at ``index``."""
        for i in index[np.isnan(self._known[index])].tolist():
            self._known[i] = solidity(self._masks.crop(i))
        found: NDArray[np.float64] = self._known[index]
        return found
