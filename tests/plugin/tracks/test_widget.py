"""The Tracks widget in a real window, driven with a real mouse and keyboard."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog
from tests.plugin.tracks.movie import MISSING, make_movie, make_table
from tests.plugin.windows import needs_a_display, on_screen, press, until
from vispy.gloo import gl

from napari_segany.errors import InputError
from napari_segany.io.tracks.formats import read_tracks
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.plugin.layers.metadata import FOUND
from napari_segany.plugin.layers.shown_display import shown_limits
from napari_segany.plugin.tracks.keys import KEYS
from napari_segany.plugin.tracks.tool_bar import LEAST_SELECTED, PAIRS
from napari_segany.plugin.tracks.track_list import COLUMNS

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    yield window
    # Vispy leaves them on; software OpenGL then reads buffers of layers that are gone, and crashes.
    window.window._qt_viewer.canvas.native.makeCurrent()
    for number in range(8):
        gl.glDisableVertexAttribArray(number)


@pytest.fixture
def widget(viewer: Any, tmp_path: Path, monkeypatch: Any) -> Any:
    monkeypatch.setattr("napari_segany.plugin.tracks.widget.journals_folder", lambda: tmp_path)
    labels, image = make_movie()
    viewer.add_image(image, name="image")
    viewer.add_labels(labels, name="cells")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Tracks")
    yield widget
    widget.close()


@pytest.fixture
def ready(widget: Any, viewer: Any) -> Any:
    """The tracks of the movie: 1, 2, 3, 4, 5.

    No division is shown in a window that tests share: after a layer of lines with one is removed,
    software OpenGL crashes.
    """
    widget.labels = viewer.layers["cells"]
    widget.use_table(make_table(viewer.layers["cells"].data), wait=True)
    viewer.dims.set_point(0, 0)
    return widget


def click_at(qtbot: Any, viewer: Any, row: float, col: float, shift: bool = False) -> None:
    """Click on a place of the frame in view."""
    modifier = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    canvas = viewer.window._qt_viewer.canvas.native
    at = on_screen(viewer, row, col)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, modifier, pos=at)


def texts(widget: Any, column: str) -> list[str]:
    model = widget.form.table.tracks
    return [model.data(model.index(row, COLUMNS.index(column))) for row in range(model.rowCount())]


def test_from_labels_to_corrected_tracks_by_mouse_and_keys(
    widget: Any, viewer: Any, qtbot: Any
) -> None:
    assert not widget.form.tools.isEnabled()
    widget.form.labels.setCurrentText("cells")
    widget.form.labels.activated.emit(widget.form.labels.currentIndex())
    widget.form.params.set_params(TrackParams(divisions=False))
    qtbot.mouseClick(widget.form.link_button, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: widget.table is not None and not widget.jobs.busy)
    assert widget.form.tools.isEnabled()
    assert texts(widget, "Track") == ["1", "2", "3"]
    assert texts(widget, "From") == [""] * 3
    assert texts(widget, "Gaps") == ["", "1", ""]
    viewer.dims.set_point(0, 4)
    click_at(qtbot, viewer, 14, 20)
    assert widget.selected == (3,)
    click_at(qtbot, viewer, 14, 34, shift=True)
    assert widget.selected == (3, 1)
    assert "3 (frames 3 to 5), 1" in widget.form.selection.text()
    before = widget.track_layer.data.copy()
    press(qtbot, viewer, "s")
    assert widget.track_layer.data[4, 14, 20] == 1
    press(qtbot, viewer, "u")
    assert (widget.track_layer.data == before).all()
    qtbot.mouseClick(widget.form.tools.buttons["swap"], Qt.MouseButton.LeftButton)
    assert widget.track_layer.data[4, 14, 20] == 1
    press(qtbot, viewer, "k")
    assert not widget.track_layer.data[4, 10:19].any()
    # napari's own key for undo undoes the step, not pixels only.
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert widget.track_layer.data[4, 14, 20] == 1
    assert len(widget.table.rows_of(3)) == 3


def test_buttons_are_offered_for_the_tracks_that_are_selected(ready: Any) -> None:
    buttons = ready.form.tools.buttons
    for selected in ((), (3,), (3, 1), (3, 1, 2)):
        ready.selected = selected
        for name, least in LEAST_SELECTED.items():
            possible = len(selected) >= least and not (name in PAIRS and len(selected) > 2)
            assert buttons[name].isEnabled() == possible, (name, selected)
            assert ("elect two tracks" in buttons[name].toolTip()) == (not possible and least == 2)
    ready.selected = (3,)
    assert buttons["join"].toolTip().startswith("Join the two selected tracks (key J)\n")
    assert buttons["join"].toolTip().endswith("click on an object, and Shift+click on another.")
    ready.selected = (3, 1)
    assert buttons["join"].toolTip() == "Join the two selected tracks (key J)"
    ready.selected = ()
    assert buttons["cut"].toolTip().endswith("Select a track first: click on its object.")


def test_the_only_labels_are_chosen_beside_the_masks_of_a_search(widget: Any, viewer: Any) -> None:
    cells, image = viewer.layers["cells"], viewer.layers["image"]
    viewer.add_labels(np.zeros_like(cells.data), name=FOUND)
    assert widget.form.choose_only_layers()
    widget.choose_layers()
    assert (widget.labels, widget.image) == (cells, image)


def test_the_table_leads_to_tracks(ready: Any, viewer: Any, qtbot: Any) -> None:
    table = ready.form.table
    at = table.visualRect(table.model().index(4, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert ready.selected == (5,)
    assert viewer.dims.current_step[0] == 4
    table.sortByColumn(COLUMNS.index("Seen"), Qt.SortOrder.DescendingOrder)
    assert texts(ready, "Seen") == ["3", "3", "3", "3", "2"]
    until(qtbot, lambda: any(texts(ready, "Doubt")))
    viewer.dims.set_point(0, 0)
    doubt = ready.next_doubtful()
    assert doubt.reason in ready.message.text()
    assert ready.selected == (doubt.track,)
    press(qtbot, viewer, "a")
    assert len(ready.session.accepted) == 1


def test_two_clicks_split_an_object(ready: Any, viewer: Any, qtbot: Any, model: Any) -> None:
    ready.image = viewer.layers["image"]
    ready.model = model
    click_at(qtbot, viewer, 15, 24)
    assert ready.selected == (1,)
    press(qtbot, viewer, "t")
    assert "two parts of 1" in ready.message.text()
    click_at(qtbot, viewer, 15, 22)
    click_at(qtbot, viewer, 15, 31)
    until(qtbot, lambda: not ready.jobs.busy)
    assert ready.selected == (1, 6)
    assert ready.track_layer.data[0, 15, 22] == 1
    assert ready.track_layer.data[0, 15, 31] == 6


def test_the_model_sees_the_image_as_it_is_shown(ready: Any, viewer: Any) -> None:
    image = viewer.layers["image"]
    ready.image = image
    assert ready.controller.image.limits is None
    low, high = image.contrast_limits
    choice = ready.contrast.choice
    choice.setCurrentIndex(choice.findData("shown"))
    choice.activated.emit(choice.currentIndex())
    assert ready.controller.image.limits == shown_limits([image])
    assert ready.contrast.notice.isHidden()
    image.contrast_limits = (low, (low + high) / 2)
    assert not ready.contrast.notice.isHidden()
    ready.contrast.again.click()
    assert ready.controller.image.limits == shown_limits([image])
    assert ready.contrast.notice.isHidden()
    # Another image, chosen by the person, keeps the choice.
    ready.image = None
    ready.image = image
    assert ready.controller.image.limits == shown_limits([image])


def test_paint_and_fill_by_napari_are_steps(ready: Any, viewer: Any, qtbot: Any) -> None:
    viewer.dims.set_point(0, MISSING)
    layer = ready.track_layer
    layer.selected_label = 2
    layer.brush_size = 8
    layer.paint((MISSING, 45, 16), 2)
    until(qtbot, lambda: not ready.jobs.busy)
    assert ready.table.spans[2] == (0, MISSING)
    assert ready.undo()
    assert not layer.data[MISSING, 40:50].any()


def test_export_and_errors(ready: Any, tmp_path: Path, monkeypatch: Any) -> None:
    ready.correct.join(2, 5)
    target = tmp_path / "cells_tracks.csv"
    assert ready.export(target, "csv") == target
    assert read_tracks(target).table.spans == ready.table.spans
    with pytest.raises(InputError, match="Formats of tracks"):
        ready.export(tmp_path / "x", "nothing")
    ready.message.clear_error()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    assert ready.export() is None
    ready.correct.cut(2, 3)
    ready.act("join")()
    assert "Select two tracks" not in ready.message.text()


def test_a_correction_that_was_not_closed_is_offered(ready: Any, viewer: Any, qtbot: Any) -> None:
    assert ready.form.restoring.isHidden()
    ready.correct.join(2, 5)
    expected = ready.track_layer.data.copy()
    ready.use_table(make_table(ready.labels.data), wait=True)
    assert not (ready.track_layer.data == expected).all()
    until(qtbot, lambda: not ready.form.restoring.isHidden())
    ready.restore(wait=True)
    assert (ready.track_layer.data == expected).all()
    assert ready.undo()
    names = [layer.name for layer in viewer.layers]
    assert sum(name.endswith("lines") for name in names) == 1
    assert names.count("segany selection") == 1


def test_every_key_has_its_method_and_napari_needs_none_of_them(ready: Any) -> None:
    from napari.utils.shortcuts import default_shortcuts

    ours = {name: keys for name, keys in default_shortcuts.items() if "label" in name}
    taken = {str(key) for keys in ours.values() for key in keys}
    assert "M" in taken
    for key, name in KEYS.items():
        assert callable(ready.act(name))
        assert "Z" in key or key not in taken, key
    assert {str(key).replace("Ctrl", "Control") for key in ready.track_layer.keymap} >= {"J", "U"}


def test_every_step_leaves_the_window_responsive(ready: Any, viewer: Any) -> None:
    """Layers take the change of a frame only, and lines are drawn in a later turn."""
    drawn = []
    layers = ready.controller.layers
    original = layers.draw_lines
    layers.draw_lines = lambda table: (drawn.append(1), original(table))
    ready.correct.join(2, 5)
    assert not drawn
    ready.jobs.wait()
    assert drawn == [1]
    assert np.isin(layers.tracks.data[:, 0], [1, 2, 3, 4]).all()


def test_the_example_of_the_documentation_runs(
    widget: Any, viewer: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    page = Path(__file__).parents[3] / "docs" / "tracks-dock.md"
    if not page.is_file():
        pytest.skip("the documentation is not beside the tests")
    (text,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S)
    cells = viewer.layers["cells"]
    # Before the division; see the fixture above.
    cells.data = cells.data[:3]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"viewer": viewer}
    exec(compile(text, str(page), "exec"), names)
    try:
        assert names["new"] == 3
        written = read_tracks(tmp_path / "cells_tracks.csv").table
        assert written.spans == {1: (0, 2), 2: (0, 1), 3: (2, 2)}
    finally:
        names["w"].close()


def test_closing_the_dock_leaves_labels_and_lines(ready: Any, viewer: Any) -> None:
    layer = ready.track_layer
    before = len(layer.keymap)
    ready.close()
    assert [each.name for each in viewer.layers if each.visible] == [
        *("image", "cells tracks", "cells tracks lines"),
    ]
    assert len(viewer.layers) == 4
    assert len(layer.keymap) < before
    assert not layer.mouse_drag_callbacks or all(
        "tracks" not in getattr(each, "__module__", "") for each in layer.mouse_drag_callbacks
    )
