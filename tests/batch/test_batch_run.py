"""Tests of a whole batch run, as command line and dock use it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tifffile

from napari_segany import AutomaticParams, SamModel
from napari_segany.batch.batch_run import BatchRun
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.options import BatchOptions, ModelRequest
from napari_segany.batch.report import REPORT
from napari_segany.core.callbacks import BatchEvent
from napari_segany.errors import InputError
from napari_segany.recipe import Recipe

PARAMS = AutomaticParams(points_per_side=2, pred_iou_thresh=0, stability_score_thresh=0)


@pytest.fixture
def make_run(tiny_model: SamModel) -> Callable[..., BatchRun]:
    """Make the run of a folder, whose model requests are appended to ``requests``."""

    def make(folder: Path, requests: list[ModelRequest], **given: Any) -> BatchRun:
        options = BatchOptions(folder.parent / "out", params=PARAMS, **given)

        def load(request: ModelRequest) -> SamModel:
            requests.append(request)
            return tiny_model

        results = name_results(find_inputs([str(folder)]), options.output, "recipe")
        return BatchRun(options, results, load_model=load)

    return make


def test_unreadable_images_come_first_and_the_others_are_done(stacks, make_run):
    folder = stacks(2, 2)
    (folder / "bad.tif").write_bytes(b"II*\0nothing")
    requests: list[ModelRequest] = []
    events: list[BatchEvent] = []

    outcomes = list(make_run(folder, requests).outcomes(events.append))

    assert [(o.path.name, o.state) for o in outcomes] == [
        *(("bad.tif", "failed"), ("stack0.tif", "done"), ("stack1.tif", "done"))
    ]
    assert requests == [ModelRequest()]
    assert events[-1] == BatchEvent("stack1", 4.0, 4)
    assert [each.done for each in events] == sorted(each.done for each in events)


def test_no_model_is_loaded_for_images_that_cannot_be_read(stacks, make_run):
    folder = stacks(1, 1)
    (folder / "stack0.tif").write_bytes(b"II*\0nothing")
    requests: list[ModelRequest] = []
    assert [o.state for o in make_run(folder, requests).outcomes()] == ["failed"]
    assert requests == []
    assert "stack0.tif" in (folder.parent / "out" / REPORT).read_text("utf-8")


def test_every_exception_behind_a_failure_is_passed_on(stacks, tiny_model):
    folder = stacks(1, 1)
    (folder / "stack0.tif").write_bytes(b"II*\0nothing")
    errors: list[Exception] = []
    options = BatchOptions(folder.parent / "out")
    results = name_results(find_inputs([str(folder)]), options.output, "recipe")
    (outcome,) = BatchRun(options, results, on_error=errors.append).outcomes()
    assert str(errors[0]) in outcome.error


def test_a_recipe_needs_its_weights_unless_another_model_is_chosen(stacks, make_run, tiny_model):
    folder = stacks(1, 1)
    recipe = Recipe(tiny_model.id, "f" * 64, PARAMS)
    with pytest.raises(InputError, match="the weights of tiny"):
        list(make_run(folder, [], recipe=recipe).outcomes())
    assert not list((folder.parent / "out").glob("stack0*"))
    options = BatchOptions(folder.parent / "out").with_recipe(recipe)
    assert options.with_model(ModelRequest(tiny_model.id)).recipe == recipe
    assert options.with_model(ModelRequest("another")).recipe is None


def test_a_recipe_of_another_machine_is_noted(stacks, make_run, tiny_model, caplog):
    folder = stacks(1, 1)
    recipe = Recipe(tiny_model.id, tiny_model.weights.sha256, PARAMS, torch_version="1.0")
    with caplog.at_level(logging.INFO, "napari_segany"):
        list(make_run(folder, [], recipe=recipe).outcomes())
    assert "and 1.0 in the recipe; masks may differ in the last bits" in caplog.text


def test_axes_of_a_recipe_give_way_to_those_of_a_file(stacks, make_run):
    folder = stacks(1, 2)
    tifffile.imwrite(folder / "flat.tif", tifffile.imread(folder / "stack0.tif")[0])
    states = [
        {o.path.name: o.state for o in make_run(folder, [], **given).outcomes()}
        for given in ({"axes": "TYX"}, {"axes": "TYX", "axes_from_recipe": True})
    ]
    assert [each["flat.tif"] for each in states] == ["failed", "done"]
