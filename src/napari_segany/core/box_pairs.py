"""Pairs of boxes that overlap, found in a grid of cells without comparing all with all."""

import numpy as np
from numpy.typing import NDArray

PAIRS_AT_ONCE = 2**21
"""Pairs that are looked at together."""

FEW = 128
"""Boxes up to which all are compared with all."""

SPREAD = 8
"""Cells along a side from which a box is compared with all others: it would lie in many cells."""

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def overlapping_pairs(boxes: NDArray[np.number]) -> Pairs:
    """Return the pairs of boxes that share more than a border.

    Parameters
    ----------
    boxes : ndarray
        (N, 4) row_min, col_min, row_max, col_max.

    Returns
    -------
    one, two : ndarray
        (P,) int64 numbers of the boxes, each pair once with ``one < two``, in the order of both.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 4, 4], [9, 9, 12, 12], [2, 2, 6, 6]])
    >>> [each.tolist() for each in overlapping_pairs(boxes)]
    [[0], [2]]
    """
    boxes = np.asarray(boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    there = np.flatnonzero((sides > 0).all(axis=1))
    if len(there) <= FEW:
        one, two = (each.astype(np.int64) for each in np.triu_indices(len(there), 1))
        return _sorted(boxes, there[one], there[two])
    cell = max(float(np.median(sides[there].max(axis=1))), 1e-9)
    large = (sides[there] > SPREAD * cell).any(axis=1)
    one, two = _pairs_in_cells(boxes, there[~large], cell)
    parts = [(one, two)]
    for i in there[large].tolist():
        others = there[~large | (there > i)]
        near = _meet(boxes, np.full(len(others), i), others)
        others = others[near]
        parts.append((np.minimum(others, i), np.maximum(others, i)))
    return _sorted(
        boxes, np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    )


def _meet(
    boxes: NDArray[np.number], one: NDArray[np.int64], two: NDArray[np.int64]
) -> NDArray[np.bool_]:
    low = np.maximum(boxes[one, :2], boxes[two, :2])
    high = np.minimum(boxes[one, 2:], boxes[two, 2:])
    meeting: NDArray[np.bool_] = (high > low).all(axis=1)
    return meeting


def _sorted(boxes: NDArray[np.number], one: NDArray[np.int64], two: NDArray[np.int64]) -> Pairs:
    near = _meet(boxes, one, two)
    one, two = one[near], two[near]
    order = np.lexsort((two, one))
    return one[order], two[order]


def _pairs_in_cells(boxes: NDArray[np.number], which: NDArray[np.int64], cell: float) -> Pairs:
    """Return overlapping pairs of boxes that lie in few cells each."""
    origin = boxes[which, :2].min(axis=0)
    first = ((boxes[which, :2] - origin) // cell).astype(np.int64)
    last = ((boxes[which, 2:] - origin) // cell).astype(np.int64)
    columns = int(last[:, 1].max()) + 1
    spans = last - first + 1
    # One entry for each cell that a box touches.
    count = spans.prod(axis=1)
    entry = np.repeat(np.arange(len(which)), count)
    place = np.arange(len(entry)) - (count.cumsum() - count)[entry]
    row = place // spans[entry, 1]
    key = (first[entry, 0] + row) * columns + first[entry, 1] + place - row * spans[entry, 1]
    order = np.argsort(key, kind="stable")
    key, entry = key[order], entry[order]
    # Each entry is paired with those that follow it in its cell.
    ends = np.searchsorted(key, key, "right")
    follow = ends - np.arange(len(key)) - 1
    total = follow.cumsum()
    found_one, found_two = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    begin = 0
    while begin < len(key):
        before = int(total[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(total, before + PAIRS_AT_ONCE, "right")), begin + 1)
        some = np.arange(begin, end)
        left = np.repeat(some, follow[some])
        steps = np.arange(len(left)) - (follow[some].cumsum() - follow[some])[left - begin]
        right = left + 1 + steps
        a, b = which[entry[left]], which[entry[right]]
        # Boxes that meet in several cells count in that of the first corner of what they share.
        corner = np.maximum(boxes[a, :2], boxes[b, :2]) - origin
        at = (corner[:, 0] // cell).astype(np.int64) * columns
        at += (corner[:, 1] // cell).astype(np.int64)
        here = (at == key[left]) & _meet(boxes, a, b)
        a, b = a[here], b[here]
        found_one.append(np.minimum(a, b))
        found_two.append(np.maximum(a, b))
        begin = end
    return np.concatenate(found_one), np.concatenate(found_two)
