import numpy as np
from tests.linking.propagation.bright import BrightModel

from napari_segany import MaskSet
from napari_segany.linking.propagation.appearance import Appearance, PlaneView
from napari_segany.linking.propagation.motion import (
    predict_mask,
    search_by_looks,
    update_velocity,
)


def square(row: int, col: int) -> MaskSet:
    mask = np.zeros((60, 60), bool)
    mask[row : row + 10, col : col + 10] = True
    return MaskSet.from_masks(mask[None])


def test_the_velocity_is_per_plane_and_follows_the_last_motion() -> None:
    first = update_velocity(None, square(10, 10), square(14, 16), 2)
    assert first == (2, 3)
    rows, cols = update_velocity(first, square(14, 16), square(20, 16), 1)
    assert 2 < rows < 6
    assert 0 < cols < 3


def test_a_mask_is_expected_where_its_motion_leads_but_on_the_plane() -> None:
    assert predict_mask(square(10, 10), (2.0, -1.0), 3).boxes[0].tolist() == [16, 7, 26, 17]
    start = square(48, 10)
    assert predict_mask(start, (8.0, 0.0), 1) is start
    assert predict_mask(start, None, 1) is start


def test_an_object_that_has_jumped_is_found_by_its_looks() -> None:
    model = BrightModel()
    before, after = (np.full((60, 60), 20, np.uint8) for _ in range(2))
    before[20:30, 20:30] = after[28:38, 12:22] = 200
    view = PlaneView(model.embed(before), before)
    looks = Appearance.of(square(20, 20), view, model.prepare(view.embedding))
    crop = model.prepare(model.embed(after))
    rows, cols = search_by_looks(square(20, 20), looks, crop, reach=1.0)
    assert abs(rows - 8) <= 3
    assert abs(cols + 8) <= 3
    same = search_by_looks(square(20, 20), looks, model.prepare(view.embedding), reach=1.0)
    assert same == (0, 0)
