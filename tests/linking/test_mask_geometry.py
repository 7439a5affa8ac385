import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.linking.masks import images, one

from napari_segany import MaskSet
from napari_segany.linking.mask_geometry import centroids, diameter, mask_iou, shift_masks


@settings(deadline=None)
@given(mask=images, rows=st.integers(-12, 12), cols=st.integers(-14, 14))
def test_a_shifted_mask_has_the_pixels_that_stay_on_the_plane(
    mask: np.ndarray, rows: int, cols: int
) -> None:
    expected = np.zeros_like(mask)
    for row, col in np.argwhere(mask) + np.array([rows, cols]):
        if 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1]:
            expected[row, col] = True
    assert np.array_equal(shift_masks(one(mask), (rows, cols)).mask(0), expected)


@settings(deadline=None)
@given(first=images, second=images)
def test_the_iou_is_that_of_the_pixels(first: np.ndarray, second: np.ndarray) -> None:
    expected = (first & second).sum() / (first | second).sum()
    assert mask_iou(one(first), one(second)) == pytest.approx(expected)


@settings(deadline=None)
@given(first=images, second=images)
def test_masks_of_a_set_are_shifted_each_by_itself(first: np.ndarray, second: np.ndarray) -> None:
    both = shift_masks(MaskSet.from_masks([first, second]), (-3, 4))
    for i, mask in enumerate((first, second)):
        assert np.array_equal(both.mask(i), shift_masks(one(mask), (-3, 4)).mask(0))


def test_centroids_and_diameter_are_those_of_a_disc() -> None:
    rows, cols = np.mgrid[:40, :50]
    disc, point = np.hypot(rows - 20, cols - 15) <= 10, (rows == 3) & (cols == 7)
    assert centroids(MaskSet.from_masks([disc, point])).tolist() == [[20, 15], [3, 7]]
    assert centroids(MaskSet.empty((40, 50))).shape == (0, 2)
    assert diameter(one(disc)) == pytest.approx(20, abs=0.3)
