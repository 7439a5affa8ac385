"""What the preview looks like."""

from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from scipy import ndimage

from napari_segany.core.prompts import Prompt
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


def test_what_is_erased_is_drawn_again_in_its_order(begin: Any, jobs: Any) -> None:
    rng = np.random.default_rng(0)
    controller = begin(np.zeros((2, 60, 70), np.uint8))
    corners = rng.integers(0, (40, 50), (60, 2))
    prompts = [
        Prompt(box=[r, c, r + rng.integers(3, 19), c + rng.integers(3, 19)]) for r, c in corners
    ]
    controller.add_prompts(prompts, planes=[(int(n), None, None) for n in rng.integers(0, 2, 60)])
    jobs.run()
    session = controller.session
    for _ in range(12):
        session.delete([int(rng.choice([each.id for each in session.state.open]))])
        jobs.run()
        fresh = Preview(Labels(np.zeros((2, 60, 70), np.uint8)))
        for one in controller.sync.prompts.preview._shown.values():
            fresh._draw(*one)
        assert np.array_equal(controller.preview_layer.data, fresh.layer.data)


def test_masks_that_share_nothing_with_what_is_erased_are_left_alone(
    begin: Any, jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = begin(np.zeros((60, 70), np.uint8))
    controller.add_prompts([Prompt(box=[4, c, 8, c + 3]) for c in range(0, 60, 5)])
    jobs.run()
    drawn: list[int] = []
    draw = Preview._draw
    monkeypatch.setattr(
        Preview,
        "_draw",
        lambda self, number, *a, **b: (drawn.append(number), draw(self, number, *a, **b)),
    )
    controller.session.delete([3])
    jobs.run()
    assert drawn == []
    assert not controller.preview_layer.data[4:9, 10:14].any()
