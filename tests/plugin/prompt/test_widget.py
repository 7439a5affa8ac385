"""The Prompt widget: it waits for the model, says what is so now, and loses nothing unasked."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtWidgets import QPushButton
from skimage import data
from tests.journal_files import JournalFiles
from tests.plugin.windows import click, drag, needs_a_display, until

from napari_segany.errors import InputError, SeganyError
from napari_segany.models.multi_view import with_views
from napari_segany.models.tiled_model import CROPS_NOTE
from napari_segany.plugin.prompt.keys import KEYS
from napari_segany.plugin.prompt.tool_row import ToolRow
from napari_segany.plugin.prompt.tools import TOOLS, tool_named
from napari_segany.plugin.shared import weights_status as weights
from napari_segany.session import ArraySource, Session

pytestmark = [pytest.mark.gui, needs_a_display]

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def viewer(window: Any, tmp_path: Path, monkeypatch: Any) -> Any:
    """A napari window; sessions are written down in a folder of the test."""
    monkeypatch.setattr(
        "napari_segany.plugin.prompt.widget.journals_folder", lambda: tmp_path / "sessions"
    )
    coins = data.coins()[:160, :200]
    window.add_image(coins, name="cells")
    window.add_image(np.stack([coins] * 3), name="plate", visible=False)
    return window


@pytest.fixture
def loading(monkeypatch: Any, tiny_model: Any) -> Callable[..., threading.Event]:
    """Loading a model waits for an event; with an error it fails then."""

    def patch(error: Exception | None = None, model: Any = tiny_model) -> threading.Event:
        may_load = threading.Event()

        def load(*_: Any, **__: Any) -> Any:
            assert may_load.wait(60)
            if error is not None:
                raise error
            return model

        monkeypatch.setattr(weights, "missing", lambda name: None)
        monkeypatch.setattr("napari_segany.plugin.shared.model_picker.load_model", load)
        return may_load

    return patch


@pytest.fixture
def open_widget(open_widget: Any) -> Any:
    """Opens a dock that asks nothing when it closes."""

    def make(name: str = "Prompt") -> Any:
        widget = open_widget(name)
        widget.asks_on_close = False
        return widget

    return make


@pytest.fixture
def ready(viewer: Any, open_widget: Any, model: Any, qtbot: Any) -> Any:
    widget = open_widget()
    widget.model = model
    widget.image_layer = viewer.layers["cells"]
    until(qtbot, lambda: not widget.jobs.busy)
    return widget


def examples(page: str, dock: str) -> list[str]:
    """Python of a page that opens a dock."""
    found = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.S)
    return [text for text in found if f'"napari-segany", "{dock}"' in text]


@pytest.mark.parametrize(
    ("page", "dock"),
    [("widgets.md", "Prompt"), ("everything.md", "Everything"), ("widgets.md", "Evaluate")],
)
def test_examples_of_the_documentation_run_at_once(
    page: str, dock: str, viewer: Any, loading: Any, tmp_path: Path, monkeypatch: Any, model: Any
) -> None:
    may_load = loading(model=model) if dock == "Prompt" else loading()
    cells = np.zeros((160, 200), np.int32)
    cells[20:60, 30:70], cells[80:120, 90:140] = 1, 2
    viewer.add_labels(cells, name="cellpose")
    viewer.add_labels(np.where(cells == 2, 0, cells), name="cells labels")
    viewer.add_labels(cells, name="by hand")
    monkeypatch.chdir(tmp_path)
    # The model comes after the first steps of the script.
    timer = threading.Timer(0.2, may_load.set)
    timer.start()
    (text,) = examples(page, dock)
    names: dict[str, Any] = {"viewer": viewer}
    try:
        exec(compile(text, page, "exec"), names)
    finally:
        timer.join()
        names["w"].asks_on_close = False
        names["w"].close()
    if dock == "Prompt":
        assert len(names["candidates"]) == 3
        assert (tmp_path / "session.json").is_file()


def test_embed_and_segment_wait_for_the_model(
    viewer: Any, open_widget: Any, loading: Any, qtbot: Any
) -> None:
    may_load = loading()
    widget = open_widget()
    widget.image_layer = viewer.layers["cells"]
    widget.form.live.setChecked(False)
    assert widget.embed() is False
    widget.session.add_point(30, 40)
    assert widget.segment() is None
    assert widget.form.plane_line.text() == "Image: waiting for the model ..."
    assert widget.message.text() == "Waiting for the model ..."
    may_load.set()
    until(qtbot, widget.session.candidates)
    assert widget.form.plane_line.text() == "Image: ready"


def test_a_model_that_cannot_be_had_is_an_error_of_who_waits(
    viewer: Any, open_widget: Any, loading: Any
) -> None:
    loading(SeganyError("the weights are gone")).set()
    widget = open_widget()
    widget.image_layer = viewer.layers["cells"]
    with pytest.raises(SeganyError, match="the weights are gone"):
        widget.embed(wait=True)
    assert "the weights are gone" in widget.message.text()


def test_without_weights_who_waits_is_told(
    viewer: Any, open_widget: Any, cache: Path, monkeypatch: Any
) -> None:
    widget = open_widget()
    widget.image_layer = viewer.layers["cells"]
    with pytest.raises(InputError, match="fetch them first"):
        widget.embed(wait=True)
    assert not widget.controller.waiting


def test_nothing_is_ready_when_the_image_is_gone(ready: Any, viewer: Any) -> None:
    assert ready.form.plane_line.text() == "Image: ready"
    viewer.layers.remove("cells")
    assert ready.form.plane_line.text() == ""
    assert "cells is gone" in ready.message.text()


def test_after_three_dimensions_drawing_goes_on(ready: Any, viewer: Any, qtbot: Any) -> None:
    ready.form.tools.buttons["box"].click()
    assert ready.message.text() == "Next: a box around the object."
    viewer.dims.ndisplay = 3
    assert "leave the 3-D view" in ready.form.plane_line.text()
    viewer.dims.ndisplay = 2
    until(qtbot, lambda: str(ready.controller.shapes.mode) == "add_rectangle")
    assert ready.form.plane_line.text() == "Image: ready"
    viewer.layers.selection.active = ready.controller.shapes
    drag(qtbot, viewer, (40, 40), (80, 90))
    (box,) = ready.session.state.open
    assert np.allclose(box.prompt.box, [40, 40, 80, 90], atol=1)
    ready.form.tools.buttons["+ point"].click()
    viewer.dims.ndisplay = 3
    viewer.dims.ndisplay = 2
    until(qtbot, lambda: not ready.jobs.busy)
    click(qtbot, viewer, 50, 60)
    assert len(ready.session.active.prompt.points) == 1


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("+ point", "Next point: positive."),
        ("- point", "Next point: negative."),
        ("box", "Next: a box around the object."),
        ("outline", "Next: an outline around the object."),
        ("scribble", "Next scribble: positive."),
    ],
)
def test_a_tool_says_what_it_draws(ready: Any, tool: str, said: str) -> None:
    ready.form.tools.buttons[tool].click()
    assert ready.message.text() == said


def test_what_was_refused_is_said_until_something_is_done(ready: Any) -> None:
    assert not ready.form.buttons["Commit"].isEnabled()
    ready.guarded(ready.commit)()
    assert "nothing to commit" in ready.message.text()
    ready.controller.where.emit("Image: ready")
    assert "nothing to commit" in ready.message.text()
    ready.session.add_point(30, 40)
    assert ready.message.text() == ""


def test_the_notice_of_a_crash_stays_until_another_image_is_chosen(
    ready: Any, viewer: Any, qtbot: Any, model: Any, tmp_path: Path
) -> None:
    source, files = ArraySource(viewer.layers["cells"].data, name="cells"), JournalFiles()
    ready.controller.close_session()
    crashed = Session(source, model)
    crashed.begin_journal(tmp_path / "sessions" / source.identity(), files.open_journal)
    crashed.add_point(30, 40)
    files.crash()
    assert ready.form.restore.notice.isHidden()
    ready.image_layer = viewer.layers["cells"]
    until(qtbot, lambda: not ready.form.restore.notice.isHidden())
    ready.session.add_point(50, 60)
    ready.segment(wait=True)
    ready.form.tools.buttons["box"].click()
    assert not ready.form.restore.notice.isHidden()
    assert "ended without being closed" in ready.form.restore.notice.text()
    ready.image_layer = viewer.layers["plate"]
    assert ready.form.restore.notice.isHidden()


@pytest.mark.parametrize("views", [1, 2])
def test_a_restored_session_goes_on_in_the_views_of_its_last_object(
    ready: Any, viewer: Any, qtbot: Any, tiny_model: Any, tmp_path: Path, views: int
) -> None:
    source, files = ArraySource(viewer.layers["cells"].data, name="cells"), JournalFiles()
    ready.controller.close_session()
    earlier = Session(source, with_views(tiny_model, views))
    earlier.begin_journal(tmp_path / "sessions" / source.identity(), files.open_journal)
    earlier.add_box([20, 20, 60, 60])
    earlier.ask()
    earlier.commit()
    earlier.model = with_views(tiny_model, 1)
    earlier.add_point(30, 40)
    files.crash()
    ready.form.views.setCurrentIndex(ready.form.views.findData(3))
    ready.image_layer = viewer.layers["cells"]
    until(qtbot, lambda: not ready.form.restore.notice.isHidden())
    (saved,) = ready.controller.saved_sessions
    assert saved.views == views
    ready.restore()
    assert ready.form.views.currentData() == views
    assert ready.session.predictor.views == views
    assert ready.form.labels_choice.currentText() == ready.controller.labels.name


def test_open_objects_stay_with_their_image_without_a_question(
    ready: Any, viewer: Any, monkeypatch: Any, qtbot: Any
) -> None:
    monkeypatch.setattr("napari_segany.plugin.prompt.widget.ask_to_commit", lambda count: 1 / 0)
    ready.asks_on_close = True
    ready.session.add_point(30, 40)
    ready.segment(wait=True)
    session, mask = ready.session, ready.session.preview().mask(0)
    ready.image_choice.choose(viewer.layers["plate"])
    ready.image_choice.activated.emit(ready.image_choice.currentIndex())
    assert ready.image_layer is viewer.layers["plate"]
    assert ready.message.text() == "1 object of cells stays open; choose it again to go on."
    assert not ready.session.state.objects
    ready.image_choice.choose(viewer.layers["cells"])
    ready.image_choice.activated.emit(ready.image_choice.currentIndex())
    assert ready.message.text() == "1 open object is back."
    assert ready.session is session
    until(qtbot, lambda: not ready.jobs.busy)
    assert np.array_equal(ready.session.preview().mask(0), mask)
    assert np.array_equal(ready.controller.preview_layer.data > 0, mask)
    # It is the same session, and not an earlier one that could be restored.
    assert ready.controller.saved_sessions == []


def test_channels_of_any_axis_are_chosen_in_the_widget(ready: Any, viewer: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 2, 60, 70)).astype(np.uint8)
    viewer.add_image(pixels, name="hyper", axis_labels=("z", "c", "y", "x"))
    ready.image_layer = viewer.layers["hyper"]
    assert ready.channels.axis.currentText() == "c: 2"
    ready.channels.kind.setCurrentIndex(1)
    ready.channels.numbers[0].setValue(1)
    ready.channels.apply.click()
    assert ready.session.source.shape == (4, 60, 70)
    assert np.array_equal(ready.session.source.read((2, None, None)), pixels[2, 1])
    ready.image_layer = viewer.layers["hyper"]
    ready.channels.kind.setCurrentIndex(2)
    assert ready.channels.numbers[2].text() == "none"
    ready.channels.apply.click()
    assert ready.session.source.channels == (0, 1)


def test_controls_show_the_channels_that_were_chosen_elsewhere(ready: Any, viewer: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 60, 70)).astype(np.uint8)
    layer = viewer.add_image(pixels, name="three")
    viewer.add_image(pixels[0], name="one")
    viewer.add_image(pixels[1], name="two")
    shown = ready.channels
    ready.set_image(layer, (2, 0))
    assert shown.kind.currentText() == "two or three along an axis"
    assert [spin.text() for spin in shown.numbers] == ["2", "0", "none"]
    assert not shown.numbers[1].isHidden()
    ready.set_image(layer, (1,))
    assert (shown.kind.currentText(), shown.numbers[0].value()) == ("one along an axis", 1)
    # What is being chosen stays while layers come and go.
    shown.numbers[0].setValue(2)
    viewer.add_points(np.zeros((1, 2)))
    assert shown.numbers[0].value() == 2
    ready.set_image(viewer.layers["one"], others=(viewer.layers["two"],))
    assert shown.kind.currentText() == "more layers"
    assert [choice.layer for choice in shown.others] == [viewer.layers["two"], None]
    ready.image_layer = layer
    assert shown.kind.currentText() == "the whole layer"
    assert shown.apply.parent().isHidden()


def test_a_model_that_another_one_takes_the_place_of_is_asked_no_more(
    ready: Any, loading: Any, model: Any, make_model: Any, qtbot: Any
) -> None:
    other = make_model()
    may_load = loading(model=other)
    asked = len(model.asked)
    ready.picker.choice.setCurrentIndex(ready.picker.choice.findData("mobile_sam"))
    ready.picker.choice.activated.emit(0)
    ready.session.add_point(30, 40)
    assert ready.form.plane_line.text() == "Image: waiting for the model ..."
    may_load.set()
    until(qtbot, lambda: ready.session.candidates() is not None)
    assert ready.model.model is other, "the model that all docks share"
    assert len(model.asked) == asked
    assert other.asked


def test_what_was_refused_is_not_said_any_more_when_it_is_possible(
    ready: Any, viewer: Any, qtbot: Any
) -> None:
    cells = viewer.layers["cells"]
    viewer.dims.ndisplay = 3
    ready.controller.points.add([[5, 5]])
    assert "leave the 3-D view" in ready.message.text()
    viewer.dims.ndisplay = 2
    assert ready.message.text() == ""
    ready.image_layer = cells
    viewer.layers.remove(cells)
    assert "choose an image" in ready.message.text()
    ready.image_layer = viewer.layers["plate"]
    assert ready.message.text() == ""


def test_the_row_of_object_sizes_stands_for_the_note_about_crops(ready: Any) -> None:
    ready.jobs.noticed.emit(CROPS_NOTE, "The plane is 9 x 9 pixels ... (--object-size)")
    assert ready.message.notice.text() == ""
    ready.jobs.noticed.emit("%d pixels are dark", "3 pixels are dark")
    assert ready.message.notice.text() == "3 pixels are dark"


def test_committed_labels_are_saved_with_a_table(ready: Any, viewer: Any, tmp_path: Path) -> None:
    session = ready.session
    session.add_point(60, 90)
    ready.segment(wait=True)
    ready.commit()
    ready.jobs.wait()
    ready.save_labels(tmp_path / "a_labels.ome.tif")
    assert "a_labels.ome.tif and a_table.csv" in ready.message.text()
    header, row = (tmp_path / "a_table.csv").read_text().splitlines()
    known = dict(zip(header.split(","), row.split(","), strict=True))
    assert int(known["area"]) == np.count_nonzero(ready.controller.labels.data)
    assert {"intensity_mean", "predicted_iou", "points"} <= set(known)


def test_a_tool_that_is_taken_can_be_seen(ready: Any, viewer: Any, qtbot: Any) -> None:
    ready.controller.points.visible = False
    ready.form.tools.buttons["+ point"].click()
    click(qtbot, viewer, 60, 70)
    assert len(ready.session.state.open) == 1


def test_a_plane_that_cannot_be_embedded_is_told_where_it_is(
    open_widget: Any, viewer: Any, tiny_model: Any, qtbot: Any
) -> None:
    pixels = np.random.default_rng(0).random((4, 60, 70)).astype(np.float32)
    pixels[2] = np.nan
    layer = viewer.add_image(pixels, name="registered", contrast_limits=(0, 1))
    widget = open_widget()
    widget.model = tiny_model
    viewer.dims.set_current_step(0, 1)
    widget.image_layer = layer
    # Planes beside it are embedded ahead.
    until(qtbot, lambda: not widget.jobs.busy)
    assert (widget.form.plane_line.text(), widget.message.text()) == ("Plane 1: ready", "")
    viewer.dims.set_current_step(0, 2)
    until(qtbot, lambda: not widget.jobs.busy)
    assert widget.form.plane_line.text() == (
        "Plane 2: No pixel is a finite number, so there is no image."
    )
    assert widget.message.text() == ""
    viewer.dims.set_current_step(0, 3)
    until(qtbot, lambda: widget.form.plane_line.text() == "Plane 3: ready")


def pressed(row: ToolRow) -> list[str]:
    return [name for name, button in row.buttons.items() if button.isChecked()]


def press(layer: Any, key: str) -> None:
    layer.keymap[coerce_keybinding(key)](layer)


def test_the_pressed_button_follows_what_was_chosen_elsewhere(ready: Any, viewer: Any) -> None:
    row, layers = ready.form.tools, ready.controller.sync.prompts
    assert pressed(row) == ["+ point"]
    row.buttons["box"].click()
    assert pressed(row) == ["box"]
    layers.shapes.mode = "add_path"
    assert pressed(row) == ["scribble"]
    layers.shapes.mode = "pan_zoom"
    assert pressed(row) == []
    ready.flip_sign()
    assert pressed(row) == ["+ point"]
    ready.flip_sign()
    assert pressed(row) == ["- point"]
    viewer.layers.selection.active = viewer.layers["cells"]
    assert pressed(row) == []


def test_keys_work_on_the_image_and_on_the_labels(ready: Any, viewer: Any) -> None:
    image = viewer.layers["cells"]
    viewer.layers.selection.active = image
    press(image, "R")
    assert ready.controller.tool is tool_named("box")
    press(ready.controller.points, "Shift-P")
    assert ready.controller.tool is tool_named("outline")
    ready.session.add_point(30, 40)
    ready.segment(wait=True)
    press(image, "N")
    ready.jobs.wait()
    press(ready.controller.labels, "U")
    ready.jobs.wait()
    assert len(ready.session.state.open) == 1


def test_keys_of_napari_and_of_the_user_stay_and_ours_leave_with_the_session(
    ready: Any, viewer: Any
) -> None:
    image = viewer.layers["cells"]
    # napari turns the plane of a volume with them.
    assert coerce_keybinding("O") not in image.keymap
    assert coerce_keybinding("Y") not in image.keymap
    other = viewer.layers["plate"]
    other.bind_key("N", lambda layer: None)
    own = other.keymap[coerce_keybinding("N")]
    ready.image_layer = other
    assert other.keymap[coerce_keybinding("N")] is own
    assert not image.keymap
    ready.close()
    assert list(other.keymap) == [coerce_keybinding("N")]


def choices(widget: Any) -> dict[str, QPushButton]:
    return {made.text(): made for made in widget.message.findChildren(QPushButton)}


def test_choices_are_buttons_beside_the_message_until_the_next_step(ready: Any) -> None:
    ready.session.add_point(30, 40)
    ready.segment(wait=True)
    ready.commit(wait=True)
    assert list(choices(ready)) == ["Undo"]
    assert ready.message.text().startswith("Committed label 1")
    choices(ready)["Undo"].click()
    ready.jobs.wait()
    assert len(ready.session.state.open) == 1
    assert not choices(ready)
    assert not ready.message.text()


def test_a_key_reopens_the_object_that_was_clicked_on(ready: Any) -> None:
    ready.session.add_point(30, 40)
    ready.segment(wait=True)
    ready.commit(wait=True)
    points = ready.controller.points
    points.add((31, 41))
    assert list(choices(ready)) == ["Reopen label 1 (\u21e7R)"]
    press(points, "Shift-R")
    ready.jobs.wait()
    assert ready.message.text() == "Label 1 is open again."
    assert ready.session.active.prompt.points.tolist() == [[30, 40]]


def test_an_unknown_tool_is_refused() -> None:
    with pytest.raises(InputError, match="no tool 'lasso'"):
        tool_named("lasso")


def test_tools_have_keys_that_nothing_else_of_the_dock_has() -> None:
    # Q selects the points and changes their sign.
    assert {tool.key for tool in TOOLS} & set(KEYS) == {"Q"}
