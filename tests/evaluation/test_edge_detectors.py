"""Classical detectors, as their own libraries have them."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.filters import sobel

from napari_segany.evaluation.boundary_metrics import best_f, count_boundaries
from napari_segany.evaluation.edge_detectors import EDGE_BASELINES, SamEdgeDetector
from napari_segany.zero_shot.edges import find_edges


@pytest.mark.parametrize("name", EDGE_BASELINES)
def test_the_rim_of_a_disc_is_found(name: str) -> None:
    rows, cols = np.mgrid[:80, :100]
    disc = np.hypot(rows - 40, cols - 50) < 25
    rim = disc & (np.hypot(rows - 40, cols - 50) >= 24)
    noise = np.random.default_rng(0).normal(0, 4, disc.shape)
    edges = EDGE_BASELINES[name].edges((disc * 100.0 + 60 + noise).astype(np.uint8))
    assert edges.dtype == np.float32
    assert 0 <= edges.min() <= edges.max() <= 1
    assert best_f(count_boundaries(edges, [rim], tolerance=0.02)) > 0.9


def test_they_are_those_of_scikit_image() -> None:
    # Colours of 8 bits are taken as they are.
    coins = np.repeat(data.coins()[:120, :150, None], 3, axis=2)
    grey = rgb2gray(coins)
    strength = EDGE_BASELINES["sobel"].edges(coins)
    slope = gaussian_filter(sobel(grey), 0.7)
    known = strength > 0
    ratio = strength[known] / slope[known]
    assert np.allclose(ratio, ratio[0], rtol=1e-3, atol=0.02 * ratio[0]), "only stretched"
    found = EDGE_BASELINES["canny"].edges(coins)
    high = 0.005 * 1.16**20
    wanted = canny(grey, 2, low_threshold=0.4 * high, high_threshold=high)
    assert np.array_equal(np.round(found * 40) >= 21, wanted)


@pytest.mark.usefixtures("few_edge_points")
def test_a_model_draws_what_the_command_draws(tiny_model: Any) -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    finder = SamEdgeDetector(tiny_model)
    assert finder.name == "tiny"
    assert np.array_equal(finder.edges(image), find_edges(tiny_model, image))
