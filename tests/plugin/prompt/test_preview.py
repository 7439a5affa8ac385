"""What the preview looks like."""

from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from scipy import ndimage

from napari_segany.plugin.prompt.preview import FILL, OUTLINE, Preview, border, colours


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_border_is_what_lies_near_the_outside(width: int) -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(0).random((60, 70)), 3) > 0.5
    cross = np.zeros((2 * width + 1, 2 * width + 1), bool)
    cross[[0, width, width, width, -1], [width, 0, width, -1, width]] = True
    assert np.array_equal(border(mask, width), mask & ~ndimage.binary_erosion(mask, cross))
    assert border(np.ones((3, 2), bool), width).all()


def test_a_light_fill_in_an_outline_of_the_same_colour() -> None:
    known = colours().color_dict
    assert known[None][3] == known[0][3] == 0
    fills = [known[n] for n in range(1, 50)]
    for number, fill in enumerate(fills, start=1):
        line = known[number + OUTLINE]
        assert np.allclose(line[:3], fill[:3])
        assert (round(float(fill[3]), 2), line[3]) == (FILL, 1)
    assert len({tuple(np.round(fill, 3)) for fill in fills}) > 40


def test_objects_are_outlined(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    controller.points.add(np.array([2.0, 10, 20]))
    jobs.run()
    data = controller.preview_layer.data[2]
    inner = (data > 0) & (data < OUTLINE)
    assert inner.sum() == 9
    assert (data > OUTLINE).sum() == 16
    assert np.array_equal(ndimage.binary_dilation(inner, np.ones((3, 3))), data > 0)


def test_outlines_are_wider_in_large_images() -> None:
    widths = [Preview(Labels(np.zeros((side, 10), np.uint8)))._width for side in (100, 700, 2048)]
    assert widths == [1, 2, 4]
