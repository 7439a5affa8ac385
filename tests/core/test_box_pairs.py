"""Pairs of boxes are those that a comparison of all with all finds."""

import numpy as np
import pytest

from napari_segany.core import box_pairs
from napari_segany.core.box_pairs import overlapping_pairs


def all_pairs(boxes: np.ndarray) -> list[tuple[int, int]]:
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    one, two = np.nonzero((high > low).all(axis=2))
    return [(i, j) for i, j in zip(one.tolist(), two.tolist(), strict=True) if i < j]


@pytest.mark.parametrize("count", [0, 1, 2, 40, 500])
@pytest.mark.parametrize("kind", ["whole", "fractions", "one large", "a row"])
def test_pairs_are_those_of_all_comparisons(count, kind, monkeypatch):
    monkeypatch.setattr(box_pairs, "FEW", 8)
    monkeypatch.setattr(box_pairs, "PAIRS_AT_ONCE", 100)
    rng = np.random.default_rng(count)
    corners, sides = rng.integers(-50, 200, (count, 2)), rng.integers(0, 20, (count, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1)
    if kind == "fractions":
        boxes = boxes + rng.random((count, 4))
    elif kind == "one large" and count:
        boxes[count // 2] = (-60, -60, 190, 190)
    elif kind == "a row":
        boxes[:, [0, 2]] = (5, 9)
    one, two = overlapping_pairs(boxes)
    assert list(zip(one.tolist(), two.tolist(), strict=True)) == all_pairs(boxes)


def test_touching_and_empty_boxes_share_nothing():
    boxes = np.array([[0, 0, 4, 4], [0, 4, 4, 8], [2, 2, 2, 6], [0, 0, 4, 4]])
    assert [each.tolist() for each in overlapping_pairs(boxes)] == [[0], [3]]
