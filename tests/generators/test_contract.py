"""Every mask generator, tested against the one contract, and the registry."""

import json
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.decoders import carry_decoder, loose_decoder_params
from tests.finders import write_tiny_finder
from tests.generators.contract import GeneratorContract
from tests.generators.maps import random_quality
from tests.generators.stub import ENTRY, TileParams
from tests.text_models import tiny_folder

from napari_segany import (
    AutomaticParams,
    ExemplarParams,
    Recipe,
    SamModel,
    make_examples,
    segment_everything,
)
from napari_segany.cli.main import main
from napari_segany.errors import InputError
from napari_segany.generators import finder_crop
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import choose_generator
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.registry import GENERATORS, find_entry
from napari_segany.generators.text_params import TextParams
from napari_segany.segmentation import label_everything, make_recipe
from napari_segany.weights.text_folders import import_folder

LOOSE: dict[str, Any] = {
    "points_per_side": 16,
    "pred_iou_thresh": 0.0,
    "stability_score_thresh": 0.0,
    "min_area": 0,
    "max_area_fraction": 1.0,
}
"""The random weights of the tiny model make masks that usual thresholds would leave out."""


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch) -> TileParams:
    """The parameters of a generator that is registered for the test."""
    monkeypatch.setitem(GENERATORS, "tiles", ENTRY)
    return TileParams(side=20, thresholds=(0.5, 0.25))


class TestGridGenerator(GeneratorContract):
    @pytest.fixture
    def params(self) -> GeneratorParams:
        few = {**LOOSE, "points_per_side": 6}
        return AutomaticParams(strategy="grid", **few).resolved(0.5, 0.5, 0)


class TestAdaptiveGenerator(GeneratorContract):
    @pytest.fixture
    def params(self) -> GeneratorParams:
        return AutomaticParams(strategy="adaptive", **LOOSE).resolved(0.5, 0.5, 0)


class TestFinderGenerator(GeneratorContract):
    @pytest.fixture
    def params(
        self, cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
    ) -> GeneratorParams:
        # Every answer of the model takes the tests longer than all regions.
        monkeypatch.setattr(finder_crop, "MOST_ASKED", 3)
        path = cache / "finders" / "own.safetensors"
        file = write_tiny_finder(path, tiny_model, quality=random_quality().to_dict())
        loose = FinderParams(
            finder=file.sha256, pred_iou_thresh=0.3, min_area=0, grid_points_per_side=2
        )
        return loose.resolved_for(tiny_model)


class TestTextGenerator(GeneratorContract):
    @pytest.fixture
    def params(self, cache: Path, tiny_model: SamModel) -> GeneratorParams:
        import_folder(tiny_folder("owlv2"))
        loose = TextParams(text=("beaver tooth", "nucleus"), text_threshold=0.0)
        return loose.resolved_for(tiny_model)


class TestTextGeneratorThatRanks(GeneratorContract):
    @pytest.fixture
    def params(
        self, cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
    ) -> GeneratorParams:
        import_folder(tiny_folder("clip"))
        # The tiny model's masks would not pass the usual thresholds.
        loose = partial(AutomaticParams, **{k: LOOSE[k] for k in LOOSE if k != "points_per_side"})
        monkeypatch.setattr("napari_segany.generators.text.AutomaticParams", loose)
        params = TextParams(
            text=("beaver tooth", "nucleus"), text_threshold=0.0, rank_points_per_side=4
        )
        return params.resolved_for(tiny_model)


class TestDecoderGenerator(GeneratorContract):
    @pytest.fixture(autouse=True)
    def _decoder(
        self, tiny_model: SamModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        carry_decoder(tiny_model, tmp_path, monkeypatch)

    @pytest.fixture
    def params(self, tiny_model: SamModel) -> GeneratorParams:
        return loose_decoder_params().resolved_for(tiny_model)


class TestDecoderGeneratorThatAsks(TestDecoderGenerator):
    @pytest.fixture
    def params(self, tiny_model: SamModel) -> GeneratorParams:
        return loose_decoder_params(mask_source="model").resolved_for(tiny_model)


class TestExemplarGenerator(GeneratorContract):
    @pytest.fixture
    def params(self, cache: Path, tiny_model: SamModel) -> GeneratorParams:
        path = cache / "finders" / "own.safetensors"
        write_tiny_finder(path, tiny_model, quality=random_quality().to_dict())
        plane = np.random.default_rng(1).integers(0, 255, (40, 56)).astype(np.uint8)
        examples = make_examples(tiny_model, plane, boxes=[(4, 5, 30, 40)])
        assert examples.finder
        # The tiny model's masks are like nothing.
        loose = ExemplarParams(examples=examples, points=8, pred_iou_thresh=0.0)
        return loose.resolved_for(tiny_model)


class TestExemplarGeneratorWithoutFinder(GeneratorContract):
    @pytest.fixture
    def params(self, tiny_model: SamModel) -> GeneratorParams:
        plane = np.random.default_rng(1).integers(0, 255, (40, 56)).astype(np.uint8)
        labels = np.zeros((40, 56), np.uint8)
        labels[3:20, 4:30] = 2
        unlike = labels[::-1]
        examples = make_examples(tiny_model, plane, labels=labels, unlike_labels=unlike)
        assert not examples.finder
        return ExemplarParams(examples=examples, pred_iou_thresh=0.0).resolved_for(tiny_model)


class TestTileGenerator(GeneratorContract):
    @pytest.fixture
    def params(self, tiles: TileParams) -> GeneratorParams:
        return tiles


@pytest.mark.parametrize("tag", GENERATORS)
def test_every_entry_can_be_imported(tag: str) -> None:
    entry = GENERATORS[tag]
    assert issubclass(entry.params, GeneratorParams)
    generator = resolve_name(entry.generator)
    assert callable(generator.find)
    assert callable(generator.count_steps)


def test_unknown_generators_are_refused() -> None:
    with pytest.raises(
        InputError,
        match=r"knows grid, adaptive, finder, text, decoder, exemplars\. A newer version may",
    ):
        find_entry("wavelets")


def test_a_registered_generator_from_python_to_recipe_and_back(
    tiles: TileParams, tiny_model: SamModel
) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (2, 40, 56)).astype(np.uint8)
    labels = segment_everything(stack, "ZYX", tiny_model, tiles)
    assert labels.max() > 1

    text = make_recipe(tiny_model, tiles, axes="ZYX").to_json()
    assert json.loads(text)["params"] == {
        "strategy": "tiles",
        "side": 20,
        "thresholds": [0.5, 0.25],
    }
    recipe = Recipe.from_json(text)
    assert recipe.params == tiles
    assert np.array_equal(label_everything(stack, recipe, tiny_model), labels)


def test_a_recipe_of_a_registered_generator_is_checked(
    tiles: TileParams, tiny_model: SamModel
) -> None:
    values = json.loads(make_recipe(tiny_model, tiles).to_json())
    for params, message in (
        ({"strategy": "tiles", "side": "many"}, "params.side: input should be a valid integer"),
        ({"strategy": "tiles", "points_per_side": 3}, "Unknown automatic parameters: points_per"),
        ({"strategy": "tiles", "side": 1}, "side must be 2 or more"),
    ):
        with pytest.raises(InputError, match=message):
            Recipe.from_json(json.dumps(values | {"params": params}))


def test_it_cannot_be_faithful_to_the_reference(tiles: TileParams) -> None:
    with pytest.raises(InputError, match="Only the point generators can be faithful"):
        choose_generator(tiles, faithful=True)


def test_its_recipe_has_no_point_parameters(tiles: TileParams, tiny_model: SamModel) -> None:
    with pytest.raises(InputError, match="generator is 'tiles'; only recipes of the point"):
        make_recipe(tiny_model, tiles).point_params()


def test_a_batch_follows_the_recipe_of_a_registered_generator(
    tiles: TileParams, tiny_model: SamModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    stack = np.random.default_rng(0).integers(0, 255, (2, 40, 56)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata={"axes": "TYX"})
    recipe = tmp_path / "tiles.json"
    recipe.write_text(make_recipe(tiny_model, tiles, axes="TYX").to_json())
    image, out = str(tmp_path / "a.tif"), tmp_path / "out"

    assert main(["segment", image, "-o", str(out), "--recipe", str(recipe)]) == 0

    made = Recipe.from_json((out / "a_recipe.json").read_text())
    assert made.params == tiles
    labels = segment_everything(stack, "TYX", tiny_model, tiles)
    assert np.array_equal(tifffile.imread(out / "a_labels.ome.tif"), labels)


def test_options_of_points_do_not_go_with_its_recipe(
    tiles: TileParams, tiny_model: SamModel, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    tifffile.imwrite(tmp_path / "a.tif", np.eye(40, dtype=np.uint8))
    recipe = tmp_path / "tiles.json"
    recipe.write_text(make_recipe(tiny_model, tiles).to_json())
    command = ["segment", str(tmp_path / "a.tif"), "-o", str(tmp_path), "--recipe", str(recipe)]
    assert main([*command, "--points-per-side", "4"]) != 0
    message = "--points-per-side goes with the strategy grid or adaptive, not with the recipe's"
    assert f"{message} strategy tiles" in capsys.readouterr().err
