import numpy as np
from hypothesis import given, settings
from tests.linking.masks import images, one

from napari_segany import MaskSet
from napari_segany.linking.propagation.compare import (
    compare_shapes,
    interior_point,
    sample_around,
    sample_inside,
)


def test_a_mask_that_has_moved_is_the_same_after_the_shift() -> None:
    before, after = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
    before[5:12, 5:12] = after[8:15, 10:17] = True
    candidates = MaskSet.from_masks([after, before, np.zeros_like(before)])
    moved, same, empty = compare_shapes(one(before), candidates, most=10)
    assert (moved.iou, moved.shift, moved.area_ratio) == (1, (3, 5), 1)
    assert (same.iou, same.shift) == (1, (0, 0))
    assert (empty.iou, empty.area_ratio) == (0, 0)
    # Not further than the longest shift.
    (near,) = compare_shapes(one(before), one(after), most=1)
    assert near.iou < 0.5


@settings(deadline=None)
@given(mask=images)
def test_samples_lie_where_they_belong(mask: np.ndarray) -> None:
    each = one(mask)
    inside, around = sample_inside(each, 7).astype(int), sample_around(each, 7).astype(int)
    assert 1 <= len(inside) <= 7
    assert mask[inside[:, 0], inside[:, 1]].all()
    assert not mask[around[:, 0], around[:, 1]].any()
    row, col = interior_point(each).astype(int)
    assert mask[row, col]


def test_the_interior_point_of_a_disc_is_its_centre() -> None:
    rows, cols = np.indices((40, 40))
    disc = one((rows - 20) ** 2 + (cols - 15) ** 2 <= 100)
    assert interior_point(disc).tolist() == [20, 15]
