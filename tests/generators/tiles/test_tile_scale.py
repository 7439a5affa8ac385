"""The side of tiles is that at which most is expected, if it clearly is another one."""

import numpy as np
import pytest

from napari_segany.core.masks import MaskSet
from napari_segany.core.tiles import Box
from napari_segany.generators.tiles.tile_scale import (
    Look,
    choose_side,
    compare_sides,
    expected_in,
)

SHAPE = (400, 400)


def look(place: int, window: Box, count: int, iou: float = 0.5, at: int = 4) -> Look:
    """Squares of six pixels in a row, from a corner of the plane on."""
    found = MaskSet.from_crops(
        SHAPE,
        [np.ones((6, 6), bool)] * count,
        [(at, at + 8 * n) for n in range(count)],
        [iou] * count,
    )
    return Look(place, window[2] - window[0], window, found)


def test_only_objects_within_the_window_count() -> None:
    wide = look(0, (0, 0, 200, 200), 20)
    assert expected_in(wide, wide.window) == pytest.approx(10)
    # The fourth square ends at pixel 34, too near to the border.
    assert expected_in(wide, (0, 0, 100, 35)) == pytest.approx(1.5)
    assert expected_in(wide, (0, 0, 100, 36)) == pytest.approx(2)
    assert expected_in(wide, (6, 0, 100, 100)) == 0


def test_sides_are_compared_where_both_look() -> None:
    looks = [
        look(0, (0, 0, 100, 100), 10),
        # More objects, and those beyond the smaller window do not count for it.
        look(0, (0, 0, 200, 200), 20, iou=0.7),
        look(0, (0, 0, 400, 400), 5, iou=0.7),
        # A place that only one of both sides looked at says nothing.
        look(1, (0, 0, 200, 200), 24),
    ]
    curve = compare_sides(looks)
    assert list(curve) == [100, 200, 400]
    assert curve[100] == 0
    # 12 squares end within 98 pixels.
    assert curve[200] == pytest.approx(np.log((1 + 12 * 0.7) / (1 + 10 * 0.5)))
    assert curve[400] - curve[200] == pytest.approx(np.log((1 + 5 * 0.7) / (1 + 20 * 0.7)))
    assert compare_sides([]) == {}


def test_another_side_must_show_clearly_more() -> None:
    curve = {256: 0.0, 512: 0.1, 1024: -0.6, 2048: -2.0}
    assert choose_side({}, 700) == 700
    assert choose_side(curve, 512) == 512
    assert choose_side(curve, 256) == 256
    # Between two sides, what is shown is taken to lie between them.
    assert choose_side(curve, 600) == 600
    assert choose_side(curve, 1024) == 512
    assert choose_side(curve, 4096) == 512
    # Tiles for objects of 90 pixels have 720 at least.
    assert choose_side(curve, 1920, least=720) == 720
    assert choose_side(curve, 760, least=720) == 760
