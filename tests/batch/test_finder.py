"""Batches whose recipe names a finder."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.batch import hostile
from tests.batch.conftest import results
from tests.finders import write_tiny_finder
from tests.generators.maps import random_quality

from napari_segany import SamModel
from napari_segany.batch.executor import Executor, LocalExecutor
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.plan import Batch, ReadOptions, inspect
from napari_segany.batch.plane_loop import run
from napari_segany.batch.products.labels import LABELS_PRODUCT
from napari_segany.cli.main import main
from napari_segany.errors import Cancelled
from napari_segany.generators import finder_crop
from napari_segany.generators.finder_params import FinderParams
from napari_segany.io.result_files import Outputs
from napari_segany.recipe import Recipe
from napari_segany.segmentation import make_recipe
from napari_segany.weights import finders

PARAMS = FinderParams(pred_iou_thresh=0.3, min_area=5, grid_points_per_side=2)


@pytest.fixture(autouse=True)
def sha256(cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch) -> str:
    """Hash of the only finder that is installed."""
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")
    monkeypatch.setattr(finder_crop, "MOST_ASKED", 2)
    path = cache / "finders" / "own.safetensors"
    return write_tiny_finder(path, tiny_model, quality=random_quality().to_dict()).sha256


def batch(folder: Path, output: Path, where: Executor) -> Batch:
    outputs = Outputs(exports=("coco", "rois", "yolo", "masks", "overlays"))
    named = name_results(find_inputs([str(folder)]), output, "recipe", outputs)
    items: Any = tuple(inspect(named, ReadOptions()))
    return Batch(items, output, where.make_recipe(params=PARAMS, axes="auto"), LABELS_PRODUCT)


def test_a_batch_goes_on_where_it_was_stopped(stacks, tiny_model: SamModel, sha256: str):
    folder = stacks(2, 2)
    whole, cut = folder.parent / "whole", folder.parent / "cut"
    where = LocalExecutor(tiny_model)
    polls: list[int] = []

    def counting() -> bool:
        polls.append(1)
        return False

    outcomes = list(run(batch(folder, whole, where), where, should_stop=counting))
    assert [outcome.state for outcome in outcomes] == ["done", "done"]
    assert outcomes[0].objects > 3

    middle = len(polls) * 2 // 3
    polls.clear()

    def in_the_middle() -> bool:
        polls.append(1)
        return len(polls) > middle

    with pytest.raises(Cancelled):
        list(run(batch(folder, cut, where), where, should_stop=in_the_middle))
    again = list(run(batch(folder, cut, where), where))

    assert sum(outcome.resumed for outcome in again) > 0 or again[0].state == "same"
    assert results(cut) == results(whole)
    recipe = Recipe.from_json((whole / "stack0_recipe.json").read_text())
    assert isinstance(recipe.params, FinderParams)
    assert recipe.params.finder == sha256
    assert all(outcome.state == "same" for outcome in run(batch(folder, whole, where), where))


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_files_that_are_hard_to_read(
    tiny_model: SamModel, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    hostile.make_hostile(folder, 15)
    image = np.random.default_rng(0).integers(0, 255, (48, 64)).astype(np.uint8)
    tifffile.imwrite(folder / "good.tif", image)
    recipe = tmp_path / "finder.json"
    recipe.write_text(make_recipe(tiny_model, PARAMS, axes="auto").to_json())

    command = ["segment", str(folder), "-o", str(out), "--json", "--recipe", str(recipe)]
    assert main(command) == 1

    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()][:-1]
    assert "Traceback" not in said.err
    assert [line for line in lines if "unexpected" in line.get("error", "")] == []
    status = {Path(line["input"]).stem: line["status"] for line in lines}
    assert len(status) == 16
    assert status["good"] == "done"
    assert list(status.values()).count("failed") > 5
