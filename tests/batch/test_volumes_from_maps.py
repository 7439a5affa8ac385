"""Objects from maps in a batch: the same bytes whatever computes the planes, and in Python."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.batch.test_linked_labels import Backwards, Stopping, bytes_of, volume
from tests.finders import write_tiny_finder
from tests.generators.maps import random_quality

from napari_segany import LinkParams, Recipe, SamModel, run_recipe
from napari_segany.batch.executor import LocalExecutor
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.options import BatchOptions
from napari_segany.batch.plan import Batch, Item, ReadOptions, inspect
from napari_segany.batch.plane_loop import run
from napari_segany.batch.products.linked_labels import LINKED_LABELS_PRODUCT
from napari_segany.cli.main import main
from napari_segany.errors import Cancelled, InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.weights import finders

__all__ = ["volume"]

LINK = LinkParams(link_from="maps", smoothing=0.5, outline=0.25)


@pytest.fixture(autouse=True)
def installed(cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File of the only finder that is installed."""
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")
    path = cache / "finders" / "own.safetensors"
    write_tiny_finder(path, tiny_model, quality=random_quality().to_dict())
    return path


def batch(folder: Path, out: str, executor: LocalExecutor) -> list[Any]:
    """Run a batch with an executor of the test's own."""
    chosen = BatchOptions(folder.parent / out, FinderParams(), link=LINK)
    named = name_results(find_inputs([str(folder)]), chosen.output, "recipe")
    items = tuple(item for item in inspect(named, ReadOptions()) if isinstance(item, Item))
    recipe = executor.make_recipe(**chosen.recipe_values)
    return list(run(Batch(items, chosen.output, recipe, LINKED_LABELS_PRODUCT), executor))


def test_every_way_gives_the_same_bytes(volume: Path, tiny_model: SamModel):
    (outcome,) = batch(volume, "a", LocalExecutor(tiny_model))
    assert outcome.objects > 0
    batch(volume, "b", Backwards(tiny_model))
    with pytest.raises(Cancelled):
        batch(volume, "c", Stopping(tiny_model))
    (again,) = batch(volume, "c", LocalExecutor(tiny_model))
    assert again.resumed == 2
    first = bytes_of(volume.parent / "a")
    assert len(first) == 4
    assert bytes_of(volume.parent / "b") == bytes_of(volume.parent / "c") == first
    labels = tifffile.imread(volume.parent / "a" / "v_labels.ome.tif")
    assert labels.max() == outcome.objects
    recipe = Recipe.from_json((volume.parent / "a" / "v_recipe.json").read_bytes())
    assert recipe.link == LINK
    assert np.array_equal(run_recipe(recipe, volume / "v.tif", model=tiny_model), labels)


def test_the_command_line_gives_them_too(
    volume: Path,
    tiny_model: SamModel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    batch(volume, "a", LocalExecutor(tiny_model))
    command = ["segment", str(volume / "v.tif"), "-o", str(volume.parent / "b"), "--link", "z"]
    maps = ["--link-from", "maps", "--smoothing", "0.5", "--outline", "0.25"]
    assert main([*command, "--strategy", "finder", *maps]) == 0
    names = ("v_labels.ome.tif", "v_table.csv", "v_overlay.png")
    one, two = (bytes_of(volume.parent / name) for name in "ab")
    assert all(one[name] == two[name] for name in names)
    grid = ["--strategy", "grid", *maps]
    assert main([*command[:-2], "--link", "z", "--overwrite", *grid]) == 1
    assert "choose the strategy 'finder'" in capsys.readouterr().err


def test_maps_need_the_finder_that_predicted_them(
    volume: Path, tiny_model: SamModel, installed: Path
):
    (outcome,) = batch(volume, "a", LocalExecutor(tiny_model))
    assert outcome.state == "done"
    recipe = Recipe.from_json((volume.parent / "a" / "v_recipe.json").read_bytes())
    other = replace(recipe, params=FinderParams(finder="0" * 64))
    with pytest.raises(InputError, match="000000000000"):
        run_recipe(other, volume / "v.tif", model=tiny_model)
