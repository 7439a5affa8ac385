"""The Evaluate widget in a real window, driven with a real mouse and keyboard."""

import json
import threading
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QFileDialog
from tests.plugin.windows import needs_a_display, until

from napari_segany.errors import Cancelled, InputError, SeganyError
from napari_segany.evaluation.comparison import ERROR_VALUES, ObjectComparison, compare
from napari_segany.plugin.evaluate.errors_layer import is_errors
from napari_segany.plugin.evaluate.object_table import COLUMNS, ObjectTableModel

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    return window


@pytest.fixture
def widget(viewer: Any) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Evaluate")
    yield widget
    widget.close()


@pytest.fixture
def layers(viewer: Any) -> tuple[Any, Any]:
    """A stack; in its plane 3 one object is missed, one split, and one is false."""
    truth, prediction = np.zeros((2, 5, 60, 80), np.uint16)
    truth[:, 5:15, 5:15], prediction[:, 5:15, 5:15] = 1, 1
    truth[3, 40:50, 60:70] = 2
    truth[3, 30:36, 5:25] = 3
    prediction[3, 30:36, 5:13], prediction[3, 30:36, 17:25] = 5, 6
    prediction[3, 5:11, 50:60] = 7
    found = viewer.add_labels(prediction, name="prediction", scale=(3, 2, 2))
    return found, viewer.add_labels(truth, name="truth", scale=(3, 2, 2))


@pytest.fixture
def ready(widget: Any, layers: Any) -> Any:
    """Every plane was compared."""
    widget.prediction, widget.truth = layers
    widget.over = "planes"
    widget.compare(wait=True)
    return widget


def press(qtbot: Any, widget: Any, row: int) -> None:
    """Click on a row of the table."""
    table = widget.object_table.table
    table.scrollTo(table.model().index(row, 0))
    at = table.visualRect(table.model().index(row, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=at)


def texts(widget: Any, column: str) -> list[str]:
    model = widget.object_table.model
    return [model.data(model.index(row, COLUMNS.index(column))) for row in range(model.rowCount())]


def test_from_layers_to_an_object_and_its_errors_by_clicks(
    widget: Any, layers: Any, viewer: Any, qtbot: Any
) -> None:
    left = Qt.MouseButton.LeftButton
    for choice, name in ((widget.prediction_choice, 0), (widget.truth_choice, 1)):
        choice.setCurrentText(layers[name].name)
        choice.activated.emit(choice.currentIndex())
    assert (widget.prediction, widget.truth) == layers
    assert not widget.over_choice.isHidden()
    widget.over_choice.setCurrentIndex(1)
    qtbot.mouseClick(widget.compare_button, left)
    until(qtbot, lambda: widget.result is not None and not widget.jobs.busy)

    # Four planes are perfect; in the other one TP = 1, FP = 3, FN = 2.
    assert widget.scores.precision == pytest.approx((4 + 1 / 4) / 5)
    assert widget.score_panel.values["recall"].text() == f"{(4 + 1 / 3) / 5:.3f}"
    assert widget.score_panel.values["objects"].text() == "8 / 7"
    assert widget.object_table.boxes["correct"].text() == "correct  5"

    # Only what is wrong, the largest first.
    widget.object_table.boxes["correct"].click()
    table = widget.object_table.table
    # Beside the planes a narrow dock has no room for the area, and never scrolls sideways.
    assert table.isColumnHidden(COLUMNS.index("Area"))
    assert table.horizontalScrollBar().maximum() == 0
    table.setMinimumWidth(320)
    until(qtbot, lambda: not table.isColumnHidden(COLUMNS.index("Area")))
    header = table.horizontalHeader()
    at = header.sectionViewportPosition(COLUMNS.index("Area")) + 10
    for _ in range(2):
        qtbot.mouseClick(header.viewport(), left, pos=QPoint(at, 8))
    assert texts(widget, "Area") == ["120", "100", "60"]
    assert texts(widget, "Verdict") == ["split", "missed", "false"]
    assert texts(widget, "Plane") == ["3", "3", "3"]
    assert texts(widget, "Truth") == ["3", "2", ""]
    assert texts(widget, "Prediction") == ["5", "", "7"]

    viewer.dims.set_current_step(0, 0)
    press(qtbot, widget, 1)
    assert viewer.dims.current_step[0] == 3
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    assert camera.center[-2:] == pytest.approx((2 * 44.5, 2 * 64.5))
    assert layers[1].selected_label == 2
    assert viewer.layers.selection.active is layers[1]
    # Further with the keyboard.
    qtbot.keyClick(widget.object_table.table, Qt.Key.Key_Down)
    assert camera.center[-2:] == pytest.approx((2 * 7.5, 2 * 54.5))
    assert layers[0].selected_label == 7

    qtbot.mouseClick(widget.errors_button, left)
    until(qtbot, lambda: not widget.jobs.busy)
    (errors,) = (layer for layer in viewer.layers if is_errors(layer))
    assert np.count_nonzero(errors.data == ERROR_VALUES["missed"]) == 100
    viewer.dims.set_current_step(0, 3)
    for layer in layers:
        layer.visible = False
    qtbot.wait(50)
    press(qtbot, widget, 1)
    # The missed object is now in the middle of the canvas, in its colour.
    shot = viewer.screenshot(flash=False)
    middle = shot[shot.shape[0] // 2, shot.shape[1] // 2, :3].astype(int)
    assert np.abs(middle - errors.opacity * np.array([0xD5, 0x5E, 0x00])).max() < 5
    assert widget.prediction_choice.findText("errors") == -1


def test_the_console(ready: Any, layers: Any, viewer: Any) -> None:
    assert ready.scores.f1 == pytest.approx((4 + 2 / 7) / 5)
    assert ready.table["verdict"].value_counts().to_dict() == {
        **{"correct": 5, "missed": 1, "split": 1, "false": 1}
    }
    only = ready.show_only("missed", "false")
    assert only["truth"].tolist() == [2, 0]
    assert only["prediction"].tolist() == [0, 7]
    assert ready.go_to(1) is layers[0]
    assert layers[0].selected_label == 7
    assert ready.object_table.table.currentIndex().row() == 1
    with pytest.raises(InputError, match="no row 2"):
        ready.go_to(2)
    with pytest.raises(InputError, match="Verdicts are"):
        ready.show_only("wrong")
    assert len(ready.show_only()) == 8
    errors = ready.show_errors(wait=True)
    assert errors.data.any()
    assert ready.show_errors(wait=True) is errors
    ready.over = "stack"
    assert ready.compare(wait=True).truth == 3
    assert ready.score_panel.headline.text() == "Objects through 5 planes:"
    assert ready.object_table.table.isColumnHidden(COLUMNS.index("Plane"))
    with pytest.raises(InputError, match="over must be"):
        ready.over = "volume"
    with pytest.raises(InputError, match="no labels layer"):
        ready.truth = viewer.add_image(np.zeros((5, 60, 80)))


def test_files(ready: Any, tmp_path: Path, monkeypatch: Any, qtbot: Any) -> None:
    assert ready.save(tmp_path / "objects.csv").read_text(encoding="utf-8").count("\n") == 9
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "scores.json"), "")
    )
    ready.save_button.click()
    until(qtbot, lambda: "Saved as" in ready.message.text() and not ready.jobs.busy)
    said = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert (said["prediction"], said["planes"], len(said["by_plane"])) == ("prediction", 5, 5)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    assert ready.save() is None
    with pytest.raises(InputError, match="must end in"):
        ready.save(tmp_path / "scores.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(SeganyError, match="could not be written"):
        ready.save(tmp_path / "file" / "scores.json")


def test_what_is_out_of_date_looks_it(ready: Any, layers: Any, viewer: Any) -> None:
    errors = ready.show_errors(wait=True)
    layers[0].fill((3, 55, 75), 9)
    assert "changed since" in ready.message.text()
    assert not ready.score_panel.isEnabled()
    assert not ready.errors_button.isEnabled()
    assert "out of date" in errors.name
    ready.compare(wait=True)
    assert ready.score_panel.isEnabled()
    assert errors.name == "errors"
    viewer.layers.remove(layers[1])
    assert ready.scores is None
    assert ready.truth_choice.layer is None
    assert ready.score_panel.isHidden()
    assert len(ready.table) == 0


def test_what_cannot_be_compared_is_said_in_the_widget(
    widget: Any, viewer: Any, qtbot: Any
) -> None:
    def refuses(reason: str) -> None:
        assert not widget.compare_button.isEnabled()
        until(qtbot, lambda: widget.start_row.reason.isVisible())
        assert reason in widget.start_row.reason.text()
        assert reason in widget.compare_button.accessibleDescription()
        with pytest.raises(InputError, match=reason):
            widget.compare()

    refuses("no labels layers in the viewer")
    assert widget.over_choice.isHidden()
    one = viewer.add_labels(np.zeros((5, 6), int), name="one")
    refuses("only one labels layer in the viewer")
    widget.prediction = widget.truth = one
    refuses("choose two layers")
    assert not widget.save_button.isEnabled()
    other = viewer.add_labels(np.zeros((5, 7), int), name="other")
    widget.truth = other
    refuses("one has shape")
    # What is mended elsewhere is followed.
    other.data = np.zeros((5, 6), int)
    assert widget.compare_button.isEnabled()
    assert widget.start_row.reason.isHidden()
    other.scale = (2, 2)
    refuses("one lies elsewhere than other")
    widget.truth = one
    other.scale = (1, 1)
    refuses("choose two layers")
    one.name = "another name"
    assert widget.truth_choice.currentText() == "another name"


def test_progress_and_stop(widget: Any, viewer: Any, qtbot: Any) -> None:
    held, begun = threading.Event(), threading.Event()
    slow = {"now": False}

    def hold(block: Any, block_info: Any = None) -> Any:
        if slow["now"] and block_info[0]["chunk-location"][0] == 2:
            begun.set()
            assert held.wait(60)
        return block

    lazy = dask.array.ones((6, 20, 20), chunks=(1, 20, 20), dtype=int).map_blocks(hold, dtype=int)
    widget.prediction = viewer.add_labels(lazy)
    widget.truth = viewer.add_labels(np.ones((6, 20, 20), int))
    widget.over = "planes"
    slow["now"] = True
    widget.compare_button.click()
    assert begun.wait(60)
    until(qtbot, lambda: widget.progress.isVisible() and widget.progress.bar.value() == 2)
    assert widget.progress.bar.maximum() == 6
    widget.stop_button.click()
    held.set()
    until(qtbot, lambda: not widget.jobs.busy)
    assert widget.result is None
    assert widget.message.text() == "Stopped."
    assert not widget.progress.isVisible()
    assert widget.compare(wait=True).truth == 6


def test_an_error_of_reading_reaches_the_console(widget: Any, viewer: Any) -> None:
    broken = {"now": False}

    def fail(block: Any, block_info: Any = None) -> Any:
        if broken["now"]:
            raise OSError("the disk is gone")
        return block

    lazy = dask.array.ones((20, 20), dtype=int).map_blocks(fail, dtype=int)
    widget.prediction = viewer.add_labels(lazy)
    widget.truth = viewer.add_labels(np.ones((20, 20), int))
    broken["now"] = True
    with pytest.raises(OSError, match="the disk is gone"):
        widget.compare(wait=True)
    assert "the disk is gone" in widget.message.text()
    broken["now"] = False


def test_closing_in_the_middle_of_work(
    widget: Any, layers: Any, viewer: Any, monkeypatch: Any
) -> None:
    begun, reached = threading.Event(), []

    def hold(read: Any, planes: Any, **given: Any) -> None:
        begun.set()
        # Nobody else lets it go on: it ends because it is told to stop, or not at all.
        deadline = threading.Event()
        while not given["should_stop"]():
            deadline.wait(0.002)
        reached.append("stopped")
        raise Cancelled

    monkeypatch.setattr("napari_segany.plugin.evaluate.controller.compare", hold)
    widget.prediction, widget.truth = layers
    widget.over = "planes"
    widget.compare()
    assert begun.wait(60)
    viewer.window.remove_dock_widget("all")
    assert reached == ["stopped"]
    layers[0].fill((3, 55, 75), 9)
    viewer.layers.clear()
    QApplication.processEvents()
    assert widget.result is None


def many_objects() -> ObjectComparison:
    """16384 of 8 by 8 pixels, a third of them missed."""
    ids = np.arange(1, 128 * 128 + 1).reshape(128, 128)
    truth, found = (
        np.kron(x, np.pad(np.ones((7, 7), np.int32), ((0, 1), (0, 1))))
        for x in (ids, np.where(ids % 3, ids, 0))
    )
    return compare(lambda side, _: (truth, found)[side], [(None, None)])


def test_thousands_of_rows_are_shown_sorted_and_filtered() -> None:
    found, model = many_objects(), ObjectTableModel()
    assert len(found.objects) == 128 * 128
    for act in (
        lambda: model.show_result(found),
        *(lambda k=k: model.sort(k, Qt.SortOrder.DescendingOrder) for k in range(len(COLUMNS))),
        lambda: model.show_kinds({"missed"}),
    ):
        act()
        [model.data(model.index(row, k)) for row in range(30) for k in range(len(COLUMNS))]
    assert model.rowCount() == 128 * 128 // 3


def test_tracks_are_offered_where_there_is_time(widget: Any, layers: Any, viewer: Any) -> None:
    widget.prediction, widget.truth = layers
    widget.over = "tracks"
    widget.compare(wait=True)
    values = widget.score_panel.values
    # Of 7 objects 5 are found; halves of one are matched by none, and are false like one more.
    assert widget.result.tracks.det == pytest.approx(1 - (2 * 10 + 3) / 70)
    assert values["det"].text() == f"{1 - 23 / 70:.3f}"
    assert values["division_f1"].text() == "-"
    assert not values["tra"].isHidden()
    entries = widget.over_choice.model()
    places = {widget.over_choice.itemData(n): n for n in range(widget.over_choice.count())}
    assert not entries.item(places["volumes"]).isEnabled()
    for layer in layers:
        layer.axis_labels = ("z", "y", "x")
    widget.reset_choices()
    # The scope that these layers do not have is left.
    assert widget.over == "plane"
    assert not entries.item(places["tracks"]).isEnabled()
    widget.compare(wait=True)
    assert values["det"].isHidden()
    assert not widget.score_panel.values["msa"].isHidden()
