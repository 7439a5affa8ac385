import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segany import MaskSet
from napari_segany.linking.propagate_compare import (
    centroid,
    compare_shapes,
    diameter,
    interior_point,
    mask_iou,
    sample_around,
    sample_inside,
    shift_mask,
)


def random_mask(seed: int, density: float) -> np.ndarray:
    """A mask of at least one pixel."""
    generator = np.random.default_rng(seed)
    mask = generator.random((9, 12)) < density
    mask[tuple(generator.integers(0, mask.shape))] = True
    return mask


images = st.builds(random_mask, st.integers(0, 2**32 - 1), st.floats(0, 1))


def one(mask: np.ndarray) -> MaskSet:
    return MaskSet.from_masks(mask[None])


@settings(deadline=None)
@given(mask=images, rows=st.integers(-12, 12), cols=st.integers(-14, 14))
def test_a_shifted_mask_has_the_pixels_that_stay_on_the_plane(
    mask: np.ndarray, rows: int, cols: int
) -> None:
    expected = np.zeros_like(mask)
    for row, col in np.argwhere(mask) + np.array([rows, cols]):
        if 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1]:
            expected[row, col] = True
    assert np.array_equal(shift_mask(one(mask), (rows, cols)).mask(0), expected)


@settings(deadline=None)
@given(first=images, second=images)
def test_the_iou_is_that_of_the_pixels(first: np.ndarray, second: np.ndarray) -> None:
    expected = (first & second).sum() / (first | second).sum()
    assert mask_iou(one(first), one(second)) == pytest.approx(expected)


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


def test_centre_and_size_of_a_disc() -> None:
    rows, cols = np.indices((40, 40))
    disc = one((rows - 20) ** 2 + (cols - 15) ** 2 <= 100)
    assert centroid(disc).tolist() == [20, 15]
    assert diameter(disc) == pytest.approx(20, abs=0.3)
    assert interior_point(disc).tolist() == [20, 15]
