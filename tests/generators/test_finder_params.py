"""Parameters of the finder: where they are the default, and what fills them in."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.finders import write_tiny_finder
from tests.stub import StubModel

from napari_segany import AutomaticParams, Recipe, SamModel
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import generate_masks, resolve_params, usual_params
from napari_segany.segmentation import make_recipe
from napari_segany.weights import finders
from napari_segany.weights.finders import FinderFile


@pytest.fixture(autouse=True)
def _no_packaged_finder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")


@pytest.fixture
def own(cache: Path, tiny_model: SamModel) -> FinderFile:
    """A person's own finder for the tiny model."""
    return write_tiny_finder(cache / "finders" / "own.safetensors", tiny_model)


def test_without_a_finder_the_grid_is_the_default(tiny_model: SamModel) -> None:
    defaults = tiny_model.defaults
    expected = AutomaticParams().resolved(
        defaults.pred_iou_thresh, defaults.stability_score_thresh, defaults.min_area
    )
    assert resolve_params(tiny_model) == expected
    assert make_recipe(tiny_model).params == expected


def test_a_finder_that_fits_is_the_default(tiny_model: SamModel, own: FinderFile) -> None:
    params = resolve_params(tiny_model)
    assert params == FinderParams(finder=own.sha256, pred_iou_thresh=0.4, min_area=12)
    assert make_recipe(tiny_model).params == params
    assert usual_params(tiny_model) == FinderParams()


def test_models_without_a_finder_keep_the_grid(own: FinderFile) -> None:
    assert isinstance(resolve_params(StubModel()), AutomaticParams)


def test_the_published_set_of_masks_needs_the_grid(tiny_model: SamModel, own: FinderFile) -> None:
    assert isinstance(resolve_params(tiny_model, faithful=True), AutomaticParams)
    assert isinstance(make_recipe(tiny_model, faithful=True).params, AutomaticParams)
    nowhere = np.zeros((40, 40))
    assert len(generate_masks(tiny_model, np.eye(40), faithful=True, region=nowhere)) == 0


def test_given_parameters_stay(tiny_model: SamModel, own: FinderFile) -> None:
    given = FinderParams(pred_iou_thresh=0.0, min_area=3)
    resolved = resolve_params(tiny_model, given)
    assert resolved == replace(given, finder=own.sha256)
    assert resolve_params(tiny_model, resolved) == resolved
    grid = AutomaticParams(min_area=5)
    assert resolve_params(tiny_model, grid).min_area == 5


def test_recipes_record_the_finder(tiny_model: SamModel, own: FinderFile) -> None:
    recipe = make_recipe(tiny_model, FinderParams())
    assert json.loads(recipe.to_json())["params"]["finder"] == own.sha256
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert type(again.params) is FinderParams
    assert make_recipe(tiny_model, again.params).params == recipe.params


def test_without_a_finder_that_fits_it_says_so(tiny_model: SamModel) -> None:
    with pytest.raises(
        InputError, match=r"No finder .* encoder of tiny\. Import .*strategy 'grid'"
    ):
        resolve_params(tiny_model, FinderParams())
    with pytest.raises(InputError, match=r"encoder of stub, and abcabcabcabc\.\.\. is needed"):
        resolve_params(StubModel(), FinderParams(finder="abc" * 20))


def test_a_recipe_of_another_finder_is_refused(tiny_model: SamModel, own: FinderFile) -> None:
    with pytest.raises(InputError) as error:
        generate_masks(tiny_model, np.eye(40), FinderParams(finder="abc" * 20))
    assert str(error.value) == (
        f"The finder abcabcabcabc... is needed, and the one here that fits tiny is "
        f"{own.sha256[:12]}... (Random weights). Bring the file of the other here: "
        "napari-segany models import-finder FILE"
    )


def test_recipes_of_the_finder_are_read_without_torch() -> None:
    text = Recipe(model="tiny", weights_sha256="0", params=FinderParams()).to_json()
    code = (
        "import sys; from napari_segany.recipe import Recipe; "
        "Recipe.from_json(sys.stdin.read()); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], input=text, text=True, check=True, timeout=100)
