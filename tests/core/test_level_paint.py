"""Windows of levels show the pixels of the labels that are painted at once."""

import numpy as np
import pytest

from napari_segany.core.coverage import covered_pixels, painted_masks, sharing_pairs
from napari_segany.core.level_paint import LevelPainter, StackedLabels
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps
from napari_segany.core.rasterize import paint_sources


def random_masks(seed: int, count: int, shape: tuple[int, int] = (61, 75)) -> MaskSet:
    rng = np.random.default_rng(seed)
    full = np.zeros((count, *shape), bool)
    for mask in full:
        a, b = rng.integers(0, shape[0] - 5), rng.integers(0, shape[1] - 5)
        h, w = rng.integers(0, 24, 2)
        mask[a : a + h, b : b + w] = rng.random(mask[a : a + h, b : b + w].shape) < 0.8
    return MaskSet.from_masks(full, predicted_iou=rng.integers(0, 5, count) / 4)


def pairs_of(masks: MaskSet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    overlaps = Overlaps(masks.boxes, masks.area, masks.count_shared)
    return sharing_pairs(overlaps, np.arange(len(masks)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("overlap", ["small_on_top", "large_on_top", "best_on_top"])
def test_labels_are_those_that_are_painted_at_once(seed: int, overlap: str) -> None:
    masks = random_masks(seed, 3 + 6 * seed)
    rules = {"overlap": overlap, "min_area": 20, "min_visible": 0.3}
    labels, source = paint_sources(masks, **rules)
    order, found = painted_masks(masks, pairs_of(masks), **rules)
    assert np.array_equal(found, source)
    painter = LevelPainter(masks[order], order + 1)
    for step in (1, 2, 4, 16):
        level = labels[step // 2 :: step, step // 2 :: step]
        out = np.zeros(level.shape, np.int32)
        painter.paint(out, (0, 0), step)
        assert np.array_equal(out, level)
        window = np.zeros((3, 4), np.int32)
        painter.paint(window, (2, 1), step)
        expected = level[2:5, 1:5]
        assert np.array_equal(window[: expected.shape[0], : expected.shape[1]], expected)


def test_groups_of_many_masks_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_segany.core.level_paint.PIXELS_AT_ONCE", 100)
    masks = random_masks(3, 30)
    labels, _ = paint_sources(masks, min_visible=0)
    order, _ = painted_masks(masks, pairs_of(masks), min_visible=0)
    halves = [LevelPainter(masks[part], part + 1) for part in (order[:9], order[9:])]
    out = np.zeros(masks.shape, np.int32)
    StackedLabels(halves).paint(out, (0, 0), 1)
    assert np.array_equal(out, labels)


def test_covered_pixels_count_each_pixel_once() -> None:
    full = np.zeros((3, 10, 10), bool)
    full[0, :6] = full[1, 4:8] = full[2, 5:9] = True
    masks = MaskSet.from_masks(full)
    one, two, shared = pairs_of(masks)
    found = covered_pixels(
        masks, np.concatenate([one, two]), np.concatenate([two, one]), np.tile(shared, 2)
    )
    assert found.tolist() == [20, 40, 30]


def test_no_masks_paint_nothing() -> None:
    masks = MaskSet.empty((20, 30))
    order, source = painted_masks(masks, pairs_of(masks))
    out = np.zeros((4, 4), np.int32)
    LevelPainter(masks[order], order + 1).paint(out, (0, 0), 4)
    assert not out.any()
    assert not len(source)
