"""Crops are a function of the prompt, hold its object with room, and share a grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segany import Prompt
from napari_segany.models.object_size import BEST_OBJECT_SIZE, FRAME_SIDE
from napari_segany.models.tiled import crops
from napari_segany.models.tiled.crops import Crop

PLANE = (5000, 9000)


@pytest.mark.parametrize(
    ("size", "side"),
    [(1, 64), (6, 64), (20, 256), (96, 1024), (100, 1024), (150, 2048), (800, 8192)],
)
def test_objects_get_about_the_best_size(size: float, side: int) -> None:
    assert crops.side_for(size) == side
    if size > 6:
        shown = size / side * FRAME_SIDE
        assert 2**-0.51 < shown / BEST_OBJECT_SIZE < 2**0.51


@given(
    st.floats(0, 4999),
    st.floats(0, 8999),
    st.floats(1, 400),
    st.floats(1, 400),
)
def test_boxes_lie_well_inside_of_their_crop(
    row: float, col: float, height: float, width: float
) -> None:
    box = (row, col, min(row + height, 5000), min(col + width, 9000))
    crop = crops.first_crop(Prompt(box=box), PLANE)
    assert 0 <= crop.top < crop.bottom <= PLANE[0]
    assert 0 <= crop.left < crop.right <= PLANE[1]
    assert crop.shape == (min(crop.side, PLANE[0]), min(crop.side, PLANE[1]))
    region = (*box[:2], min(box[2] + 1, PLANE[0]), min(box[3] + 1, PLANE[1]))
    assert crops.holds(crop, region, PLANE)


def test_points_are_seen_at_full_size_unless_a_size_is_stated() -> None:
    point = [(2500, 4600)]
    assert crops.first_crop(Prompt(points=point), PLANE).side == 1024
    assert crops.first_crop(Prompt(points=point), PLANE, 12).side == 128
    assert crops.first_crop(Prompt(points=point, object_size=24), PLANE, 12).side == 256


def test_points_far_apart_get_a_larger_crop() -> None:
    crop = crops.first_crop(Prompt(points=[(100, 100), (900, 1700)], labels=[1, 0]), PLANE)
    assert crop.side == 8192
    assert crop.shape == (5000, 8192)


def test_neighbours_share_a_crop() -> None:
    found = {
        crops.first_crop(Prompt(points=[(row, col)]), PLANE)
        for row in range(1300, 1500, 40)
        for col in range(2600, 2800, 40)
    }
    assert found == {Crop(1024, 1024, 2048, 2048, 3072)}


def test_a_crop_as_long_as_the_plane_is_all_of_it() -> None:
    crop = crops.crop_at(PLANE, 16384, (0, 0, 4, 4))
    assert crop.box == (0, 0, *PLANE)
    assert not crops.touches(crop, (0, 0, *PLANE), PLANE)


def test_answers_touch_borders_inside_of_the_plane_only() -> None:
    crop = Crop(1024, 0, 512, 1024, 1536)
    assert not crops.touches(crop, (0, 600, 90, 700), PLANE)
    assert crops.touches(crop, (0, 512, 90, 700), PLANE)
    assert crops.touches(crop, (900, 600, 1023, 700), PLANE)
    assert not crops.touches(crop, (0, 0, 0, 0), PLANE)


def test_a_cut_answer_that_has_room_is_moved_to_the_middle() -> None:
    crop = Crop(1024, 0, 0, 1024, 1024)
    again = crops.next_crop(crop, (900, 400, 1024, 500), (950, 450, 951, 451), PLANE)
    assert again == Crop(1024, 512, 0, 1536, 1024)


def test_a_long_cut_answer_gets_twice_the_side() -> None:
    crop = Crop(1024, 0, 0, 1024, 1024)
    again = crops.next_crop(crop, (300, 400, 1024, 500), (950, 450, 951, 451), PLANE)
    assert again.side == 2048
    assert crops.holds(again, (300, 400, 1024, 500), PLANE)


def test_regions_of_prompts() -> None:
    mask = np.zeros(PLANE, bool)
    mask[40:60, 70:75] = True
    prompt = Prompt(points=[(90, 20)], box=(50, 30, 55, 35), mask=mask)
    assert crops.prompt_region(prompt) == (40, 20, 91, 75)
    assert crops.object_region(prompt) == (50, 30, 56, 36)
    assert crops.object_region(Prompt(mask=mask)) == (40, 70, 60, 75)
    assert crops.object_region(Prompt(points=[(1, 1)])) is None
