from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.generators.adaptive import DENSE, NEIGHBOURS, coarse, found_small, select_points
from napari_segany.generators.point_grids import point_grid


def test_every_second_point_of_every_second_row_comes_first() -> None:
    first = coarse(32)
    assert np.count_nonzero(first) == 256
    spacing = np.diff(np.unique(point_grid(32)[first][:, 0]))
    assert np.allclose(spacing, 2 / 32)


@pytest.mark.parametrize("per_side", [1, 5, DENSE - 1])
def test_coarse_grids_are_asked_whole(per_side: int) -> None:
    assert coarse(per_side).all()


def test_points_that_found_something_small_are_fruitful() -> None:
    masks = np.zeros((3, 100, 100), bool)
    masks[0, :9, :11] = True  # 99 pixels
    masks[1, :10, :10] = True  # 100, no longer below 1 %
    masks[2, 50:53, 50:53] = True
    points = np.array([[4.5, 4.5], [7.0, 7.0], [51.5, 51.5], [80.0, 80.0]])
    found = MaskSet.from_masks(masks, points=points[:3])
    assert found_small(found, points, 100 * 100).tolist() == [True, False, True, False]
    assert not found_small(MaskSet.empty((100, 100)), points, 100 * 100).any()


def two_kinds(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Points of the left half look alike, and so do those of the right half."""
    left = points[:, 1] < 0.5
    towards = np.where(left[:, None], [1.0, 0.0, 5.0], [0.0, 1.0, 5.0])
    noise = np.random.default_rng(0).normal(0, 0.02, towards.shape)
    return (towards + noise).astype(np.float32)


def test_points_that_look_like_fruitful_ones_are_asked() -> None:
    grid = point_grid(DENSE)
    first = coarse(DENSE)
    asked, rest = grid[first], grid[~first]
    hits = asked[:, 1] < 0.5
    worth = select_points(two_kinds, asked, hits, rest)
    assert np.array_equal(worth, rest[:, 1] < 0.5)
    assert not select_points(two_kinds, asked, np.zeros(len(asked), bool), rest).any()


def test_with_too_little_to_learn_from_all_are_asked() -> None:
    asked = np.zeros((NEIGHBOURS - 1, 2))
    rest = point_grid(3)
    assert select_points(two_kinds, asked, np.zeros(len(asked), bool), rest).all()
    assert len(select_points(two_kinds, point_grid(3), np.ones(9, bool), np.zeros((0, 2)))) == 0


def test_what_rounding_leaves_of_equal_points_decides_nothing() -> None:
    # Two points that are alike but for the last bits, which depend on the processor.
    points = point_grid(4)
    asked, rest = points[:8], points[8:]
    for sign in (1, -1):
        noise = 1e-7 * np.arange(16)
        noise[:8] *= sign

        def features(_: NDArray[np.float64], noise: NDArray[np.float64] = noise) -> Any:
            return np.stack([np.ones(16), noise, np.r_[np.ones(8), np.zeros(8)]], axis=1)

        worth = select_points(features, asked, np.arange(8) == NEIGHBOURS, rest)
        assert not worth.any(), "the first of equal points are its neighbours"
