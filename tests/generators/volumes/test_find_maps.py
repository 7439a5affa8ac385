"""Maps of planes from a model: whole, small, and in crops."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.finders import write_tiny_finder
from tests.generators.maps import random_quality

from napari_segany import AutomaticParams, SamModel
from napari_segany.core.intensity import to_rgb
from napari_segany.core.plane_flips import FLIPS
from napari_segany.errors import Cancelled, InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.finder_views import flip_maps, mean_maps
from napari_segany.generators.small_planes import continue_plane
from napari_segany.generators.volumes.find_maps import find_maps
from napari_segany.generators.volumes.plane_maps import NAMES, SIZES
from napari_segany.models.finder import find_finder
from napari_segany.weights import finders

SHAPE = (90, 120)
PLANE = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)


@pytest.fixture(autouse=True)
def sha256(cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch) -> str:
    """Hash of the only finder that is installed."""
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")
    path = cache / "finders" / "own.safetensors"
    return write_tiny_finder(path, tiny_model, quality=random_quality().to_dict()).sha256


def expected(
    model: SamModel, rgb: Any, shape: tuple[int, int], step: int, views: int = 1
) -> np.ndarray:
    """The maps as the finder predicts them, in the middle of cells."""
    finder = find_finder(model)
    assert finder is not None
    maps = finder.predict_maps(model.embed(rgb, stages=True), rgb)
    every = [maps]
    for flip in FLIPS[: views - 1]:
        mirrored = np.ascontiguousarray(flip.plane(rgb))
        seen = finder.predict_maps(model.embed(mirrored, stages=True), mirrored)
        every.append(flip_maps(seen, flip))
    maps = mean_maps(every)
    rows, cols = (np.minimum(np.arange(0, n, step) + step // 2, n - 1) for n in shape)
    found = [maps.enlarge(getattr(maps, name))[np.ix_(rows, cols)] for name in NAMES]
    found[-1] = (found[-1] - SIZES[0]) / SIZES[1]
    return np.clip(np.stack(found), 0, 1)


@pytest.mark.parametrize("views", [1, 2, 4])
def test_cells_are_those_of_the_finder(tiny_model: SamModel, views: int):
    # The frame of 128 pixels has cells of two, so planes of 300 pixels have cells of four.
    large = np.random.default_rng(1).integers(0, 255, (150, 300)).astype(np.uint8)
    found = find_maps(tiny_model, large, FinderParams(views=views))
    assert (found.shape, found.step) == ((150, 300), 4)
    assert found.side == pytest.approx(4 * 128 / 300)
    assert found.values.shape == (5, 38, 75)
    values = expected(tiny_model, to_rgb(large), (150, 300), 4, views)
    assert np.abs(found.values / 255 - values).max() <= 0.51 / 255


def test_a_small_plane_is_seen_in_the_smaller_scale(tiny_model: SamModel):
    small = PLANE[:20, :24]
    for _ in range(2):
        found = find_maps(tiny_model, small, FinderParams())
        assert (found.step, found.side) == (1, pytest.approx(128 / 50))
        values = expected(tiny_model, continue_plane(to_rgb(small), 128), (20, 24), 1)
        assert np.abs(found.values / 255 - values).max() <= 0.51 / 255


def test_a_small_plane_fills_the_frame_if_it_is_asked_to(tiny_model: SamModel):
    small = PLANE[:20, :24]
    for _ in range(2):
        found = find_maps(tiny_model, small, FinderParams(fill_frame=True))
        assert (found.step, found.side) == (1, pytest.approx(128 / 24))
        values = expected(tiny_model, to_rgb(small), (20, 24), 1)
        assert np.abs(found.values / 255 - values).max() <= 0.51 / 255


def test_crops_are_blended(tiny_model: SamModel):
    steps: list[int] = []
    params = FinderParams(crop_n_layers=1)
    found = find_maps(tiny_model, PLANE, params, progress=lambda done, _: steps.append(done))
    assert (found.shape, found.step) == (SHAPE, 1)
    assert found.values.shape == (5, *SHAPE)
    assert steps == sorted(steps)
    assert steps[-1] == 100
    # The corner is seen in one crop alone.
    crop = PLANE[:50, :65]
    values = expected(tiny_model, to_rgb(PLANE)[:50, :65], crop.shape, 1)
    assert np.abs(found.values[:, :40, :50] / 255 - values[:, :40, :50]).max() <= 0.51 / 255


def test_nothing_is_outside_of_a_region(tiny_model: SamModel):
    region = np.zeros(SHAPE, bool)
    region[:, 60:] = True
    found, whole = (
        find_maps(tiny_model, PLANE, FinderParams(), region=inside) for inside in (region, None)
    )
    cells = region[:, :: found.step][:: found.step]
    assert not found.values[0][~cells].any()
    assert np.array_equal(found.values[0][cells], whole.values[0][cells])


def test_other_generators_have_no_maps(tiny_model: SamModel):
    with pytest.raises(InputError, match="strategy is 'grid'"):
        find_maps(tiny_model, PLANE, AutomaticParams())
    with pytest.raises(Cancelled):
        find_maps(tiny_model, PLANE, FinderParams(), should_stop=lambda: True)
