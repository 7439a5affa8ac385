"""Planes painted window by window: the same labels as the plane painted at once."""

from typing import Any

import numpy as np
import pytest

from napari_segany.core import window_paint
from napari_segany.core.masks import MaskSet
from napari_segany.core.rasterize import paint
from napari_segany.core.window_paint import WindowPainter, windows_of


def random_masks(seed: int, count: int = 40, shape: tuple[int, int] = (90, 130)) -> MaskSet:
    """Discs with holes and specks, which overlap and reach beyond the plane."""
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    masks = []
    for _ in range(count):
        row, col, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(2, 25)
        disc = (rows - row) ** 2 + (cols - col) ** 2 < radius**2
        disc &= rng.random(shape) > 0.02
        disc |= (rng.random(shape) < 0.02) & ((rows - row) ** 2 + (cols - col) ** 2 < 900)
        masks.append(disc)
    return MaskSet.from_masks(np.array(masks), predicted_iou=rng.random(count))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"overlap": "large_on_top", "min_area": 30},
        {"overlap": "best_on_top", "min_visible": 0.5},
        {"fill_holes": 9, "drop_specks": 5, "min_area": 10},
    ],
)
def test_windows_are_those_of_the_plane(
    seed: int, rules: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_paint, "WINDOW_SIDE", 32)
    masks = random_masks(seed)
    labels, source = paint(masks, **rules)
    painter = WindowPainter(masks, **rules)
    np.testing.assert_array_equal(painter.source, source)
    found = np.zeros_like(labels)
    for box in windows_of((0, 0, *masks.shape), 32):
        top, left, bottom, right = box
        found[top:bottom, left:right] = painter.window(box)
    np.testing.assert_array_equal(found, labels)


def test_objects_are_cut_out_with_ids_of_their_own() -> None:
    masks = random_masks(9)
    labels, source = paint(masks)
    painter = WindowPainter(masks)
    wanted = np.array([len(source) - 1, 3], np.intp)
    found = painter.objects(wanted)
    top, left, bottom, right = found.box
    own = labels[top:bottom, left:right]
    expected = np.where(own == len(source), 1, np.where(own == 4, 2, 0))
    np.testing.assert_array_equal(found.labels, expected)


def test_a_plane_without_masks_is_background() -> None:
    painter = WindowPainter(MaskSet.empty((3000, 2000)))
    assert len(painter.source) == 0
    assert not painter.window((1000, 0, 1010, 20)).any()
