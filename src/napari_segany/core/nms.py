"""Non-maximum suppression: of answers that mean the same object, keep the best."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def box_iou(box: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of one box with N others.

    Parameters
    ----------
    box, others : ndarray
        (4,) and (N, 4) row_min, col_min, row_max, col_max; extents are max - min.

    Returns
    -------
    ndarray
        (N,) in 0..1; 0 where the union is empty.
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
    """Greedy suppression by IoU of bounding boxes, as in the reference generator.

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
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    return _suppress(np.asarray(scores), lambda i, rest: box_iou(boxes[i], boxes[rest]) > threshold)


def mask_nms(
    boxes: NDArray[np.integer],
    areas: NDArray[np.integer],
    scores: NDArray[np.floating],
    threshold: float,
    crop: Callable[[int], NDArray[np.bool_]],
) -> NDArray[np.intp]:
    """Greedy suppression by exact IoU of the masks themselves.

    Touching cells have overlapping boxes but not overlapping masks, so this keeps true
    neighbours that :func:`box_nms` deletes.

    Parameters
    ----------
    boxes : ndarray
        (N, 4) half-open bounding boxes in pixels.
    areas : ndarray
        (N,) pixels in each mask.
    scores : ndarray
        (N,) higher is better; equal scores keep their order.
    threshold : float
        Masks whose IoU with a kept one exceeds this are dropped, 0..1.
    crop : callable
        Returns mask ``i`` within its box as a boolean array.

    Returns
    -------
    ndarray
        Indices kept, best first.
    """
    boxes = np.asarray(boxes, dtype=np.int64)
    areas = np.asarray(areas, dtype=np.int64)

    def overlapping(i: int, rest: NDArray[np.intp]) -> NDArray[np.bool_]:
        # No intersection is larger than either mask or than the boxes' intersection, which
        # settles most pairs without looking at a pixel.
        low = np.maximum(boxes[i, :2], boxes[rest, :2])
        high = np.minimum(boxes[i, 2:], boxes[rest, 2:])
        bound = np.minimum(np.clip(high - low, 0, None).prod(axis=1), areas[rest])
        bound = np.minimum(bound, areas[i])
        result: NDArray[np.bool_] = bound > threshold * (areas[i] + areas[rest] - bound)
        mine = crop(i) if result.any() else None
        for k in np.flatnonzero(result):
            j = int(rest[k])
            ours = tuple(
                slice(a, b)
                for a, b in zip(low[k] - boxes[i, :2], high[k] - boxes[i, :2], strict=True)
            )
            theirs = tuple(
                slice(a, b)
                for a, b in zip(low[k] - boxes[j, :2], high[k] - boxes[j, :2], strict=True)
            )
            assert mine is not None
            shared = np.count_nonzero(mine[ours] & crop(j)[theirs])
            result[k] = shared > threshold * (areas[i] + areas[j] - shared)
        return result

    return _suppress(np.asarray(scores), overlapping)
