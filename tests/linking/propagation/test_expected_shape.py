"""Sections of round objects, which are expected to become smaller."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.linking.propagation.bright import BrightModel, Planes, balls, box_of

from napari_segany import MaskSet, Prompt
from napari_segany.linking.propagation.expected_shape import (
    LEAST_FACTOR,
    LEAST_SECTION,
    section_area,
    shrink_to,
)
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.propagate_objects import propagate_objects


def disc(radius: float) -> MaskSet:
    rows, cols = np.indices((60, 70))
    return MaskSet.from_masks(((rows - 30) ** 2 + (cols - 40) ** 2 <= radius**2)[None])


def test_sections_of_a_ball() -> None:
    radius, areas = 12.0, np.pi * (12.0**2 - np.arange(12) ** 2)
    sections = [section_area(distance, radius) for distance in range(12)]
    assert np.allclose(sections, np.maximum(areas / areas[0], LEAST_SECTION))
    assert section_area(40, radius) == LEAST_SECTION


@given(st.floats(0.4, 1), st.floats(4, 20))
def test_masks_shrink_about_their_centre(part: float, radius: float) -> None:
    mask = disc(radius)
    area = part * int(mask.area[0])
    smaller = shrink_to(mask, area)
    # Pixels are whole: the rim is right to half a pixel, which is this area of a ring.
    assert smaller.area[0] == pytest.approx(area, abs=np.pi * (radius + 0.5))
    assert not (smaller.mask(0) & ~mask.mask(0)).any()
    middle = (smaller.boxes[0, :2] + smaller.boxes[0, 2:] - 1) / 2
    assert np.abs(middle - (30, 40)).max() <= 1


def test_none_shrinks_too_far_or_grows() -> None:
    mask = disc(10)
    assert shrink_to(mask, 2 * int(mask.area[0])) is mask
    least = LEAST_FACTOR**2 * int(mask.area[0])
    assert shrink_to(mask, 1).area[0] == pytest.approx(least, rel=0.15)
    dot = MaskSet.from_masks(np.pad(np.ones((1, 1, 1), bool), ((0, 0), (3, 3), (3, 3))))
    assert shrink_to(dot, 0.1).area[0] == 1


def test_a_ball_within_a_column_ends_as_a_ball() -> None:
    # A bright column goes on above and below the ball, a little narrower than its equator.
    volume, truth = balls((30, 40, 40), (14, 20, 20, 9))
    column = np.hypot(*np.indices((40, 40)) - 19.5) < 7
    volume[:, column] = 200
    view = Planes(BrightModel(), volume)
    prompt = {1: {14: Prompt(box=box_of(truth[14] == 1))}}
    planes = range(30)
    found = propagate_objects(
        view.model, view, planes, prompt, PropagationParams(max_reach=0.55), spacing=1.0
    )
    taken = found.objects[1].planes
    assert taken[0] == pytest.approx(5, abs=1)
    assert taken[-1] == pytest.approx(23, abs=1)
    assert found.objects[1].ends == ("reach", "reach")
    # Without a limit, nothing tells the column from the ball.
    free = propagate_objects(view.model, view, planes, prompt, spacing=1.0)
    assert free.objects[1].planes == tuple(planes)
