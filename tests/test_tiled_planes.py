"""Tiles of stacks: what is settled before the search, and what is said about it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.generators.squares import use_squares
from tests.stub import StubModel

from napari_segany import tiled_planes
from napari_segany.core.notes import listening_to_notes
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles.object_size import SizeEstimate
from napari_segany.recipe import Recipe
from napari_segany.segmentation import resolve_stack

SIDE = 2400


def notes_of(
    monkeypatch: pytest.MonkeyPatch, tiles: TileParams, estimate: SizeEstimate
) -> tuple[Recipe, list[str]]:
    """Settle the tiles of a plane whose first look had a result; return recipe and notes."""
    monkeypatch.setattr(tiled_planes, "estimate_object_size", lambda *_: estimate)
    data: Any = np.zeros((SIDE, SIDE), np.uint8)
    use_squares(monkeypatch)
    model = StubModel()
    params = resolve_params(model, FinderParams())
    layout, recipe = resolve_stack(data, Recipe("m", "0", params, axes="YX", tiles=tiles))
    said: list[str] = []
    with listening_to_notes(lambda _, text: said.append(text)):
        recipe = tiled_planes.resolve_tiles(data, layout, recipe, model)
    return recipe, said


def test_another_scale_is_said_with_its_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, said = notes_of(monkeypatch, TileParams(), SizeEstimate(20.0, 31, 256, 424))
    assert recipe.tiles is not None
    assert recipe.tiles.tile_side == 256
    usual = replace(recipe.tiles, tile_side=424).grid((SIDE, SIDE)).count
    grid = recipe.tiles.grid((SIDE, SIDE))
    used = len(grid) + len(grid.covering[1])
    assert said == [
        "the size of objects is estimated as 20 pixels, from 31 of them; give another with "
        "--object-size",
        "a first look found more in tiles of 256 pixels than in those of 424 pixels that the size "
        f"asks for, of which there would be {usual}; give another side with --tile-side",
        f"planes of 2400 x 2400 pixels are searched in {used} tiles of 256 and 512 pixels; --tiles "
        "off searches them as a whole",
    ]
    assert used > 2 * usual


def test_a_side_that_is_given_is_not_called_better(monkeypatch: pytest.MonkeyPatch) -> None:
    given = TileParams(tile_side=500)
    recipe, said = notes_of(monkeypatch, given, SizeEstimate(20.0, 31, 256, 424))
    assert recipe.tiles is not None
    assert recipe.tiles.tile_side == 500
    assert len(said) == 2
    assert not any("first look" in text for text in said)
