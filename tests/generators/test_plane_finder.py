"""A finder that was trained on one person's labels leaves other planes to its base."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.finders import write_tiny_finder
from tests.generators.contract import is_same
from tests.generators.maps import random_quality

from napari_segany import FinderParams, MaskSet, Recipe, SamModel
from napari_segany.core.notes import listening_to_notes
from napari_segany.errors import InputError
from napari_segany.generators.generate import generate_masks, resolve_params
from napari_segany.generators.volumes.find_maps import find_maps
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.models.plane_gate import describe_plane, make_gate, plane_distance
from napari_segany.plane_search import quality_of_maps
from napari_segany.segmentation import make_recipe
from napari_segany.weights import finders


def noise(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (90, 120)).astype(np.uint8)


KNOWN, ALIKE, UNLIKE = noise(0), noise(0), np.kron(noise(2)[:9, :12], np.ones((10, 10), np.uint8))
ALIKE[40:50, 40:50] = 0


@dataclass(frozen=True)
class Both:
    """A finder and the one that it was trained from."""

    base: FinderParams
    trained: FinderParams


@pytest.fixture
def both(cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch) -> Both:
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")

    def write(name: str, seed: int, **card: object) -> FinderParams:
        quality = random_quality(seed).to_dict()
        path = cache / "finders" / f"{name}.safetensors"
        file = write_tiny_finder(path, tiny_model, seed=seed, quality=quality, **card)
        return FinderParams(finder=file.sha256, pred_iou_thresh=0.3, min_area=0)

    base = write("base", 0)
    known, alike, unlike = (
        describe_plane(tiny_model.embed(p, stages=True)) for p in (KNOWN, ALIKE, UNLIKE)
    )
    gate = make_gate(known[None])
    near, far = plane_distance(gate, alike), plane_distance(gate, unlike)
    assert near < far
    gate = replace(gate, limit=(near + far) / 2)
    return Both(base, write("trained", 1, base=base.finder, gate=gate))


def test_planes_alike_are_searched_by_the_trained_finder(tiny_model: SamModel, both: Both) -> None:
    notes: list[str] = []

    def find(plane: NDArray[np.uint8], params: FinderParams) -> MaskSet:
        with listening_to_notes(lambda _, text: notes.append(text)):
            return generate_masks(tiny_model, plane, params)

    everywhere = replace(both.trained, finder_everywhere=True)
    by_trained, by_base = find(ALIKE, everywhere), find(ALIKE, both.base)
    assert len(by_trained) > 0
    assert is_same(find(ALIKE, both.trained), by_trained)
    assert not is_same(by_trained, by_base)
    assert not notes


def test_other_planes_get_the_bytes_of_the_base(tiny_model: SamModel, both: Both) -> None:
    notes: list[str] = []
    by_base = generate_masks(tiny_model, UNLIKE, both.base)
    with listening_to_notes(lambda _, text: notes.append(text)):
        found = generate_masks(tiny_model, UNLIKE, both.trained)
    assert len(found) > 0
    assert is_same(found, by_base)
    (told,) = notes
    assert told.startswith("A plane is unlike those that the finder")
    assert "finder_everywhere" in told
    everywhere = replace(both.trained, finder_everywhere=True)
    assert not is_same(generate_masks(tiny_model, UNLIKE, everywhere), by_base)


@pytest.mark.parametrize("layers", [0, 1])
def test_maps_of_volumes_are_of_the_same_finder(
    tiny_model: SamModel, both: Both, layers: int
) -> None:
    base, trained = (replace(p, crop_n_layers=layers) for p in (both.base, both.trained))
    of_base = find_maps(tiny_model, UNLIKE, base)
    found = find_maps(tiny_model, UNLIKE, trained)
    assert found.by_base
    assert not of_base.by_base
    assert PlaneMaps.from_bytes(found.to_bytes()).by_base
    np.testing.assert_array_equal(found.values, of_base.values)
    alike = find_maps(tiny_model, ALIKE, trained)
    assert not alike.by_base
    assert not PlaneMaps.from_bytes(alike.to_bytes()).by_base
    assert not np.array_equal(alike.values, find_maps(tiny_model, ALIKE, base).values)


def test_volumes_are_judged_by_the_finder_of_most_planes(tiny_model: SamModel, both: Both) -> None:
    recipe = make_recipe(tiny_model, both.trained)
    planes = [find_maps(tiny_model, each, both.trained) for each in (ALIKE, UNLIKE)]

    def judged(recipe: Recipe, numbers: list[int]) -> int:
        found = quality_of_maps(recipe.params, [planes[n] for n in numbers]).to_dict()
        return next(n for n in (0, 1) if found == random_quality(n).to_dict())

    assert judged(recipe, [1, 1, 0]) == 0
    assert judged(recipe, [1, 0]) == 1
    everywhere = make_recipe(tiny_model, replace(both.trained, finder_everywhere=True))
    assert judged(everywhere, [1, 1, 0]) == 1


def test_the_base_must_be_there_before_a_plane_is_searched(
    cache: Path, tiny_model: SamModel
) -> None:
    path = cache / "finders" / "alone.safetensors"
    gate = make_gate(describe_plane(tiny_model.embed(KNOWN, stages=True))[None])
    params = FinderParams(
        finder=write_tiny_finder(path, tiny_model, seed=2, base="a" * 64, gate=gate).sha256
    )
    with pytest.raises(InputError, match=r"aaaaaaaaaaaa\.\.\. is needed"):
        resolve_params(tiny_model, params)
    resolve_params(tiny_model, replace(params, finder_everywhere=True))
