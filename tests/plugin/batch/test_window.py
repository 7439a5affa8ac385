"""The Batch dock in a real window."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from tests.plugin.windows import needs_a_display, until

from napari_segany import Recipe, plane_search
from napari_segany.errors import InputError
from napari_segany.plugin.batch.file_table import AXES, CONTENT, OBJECTS, STATE

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    return window


def test_a_batch_in_a_window(
    viewer: Any, qtbot: Any, open_widget: Any, tiny_model: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(2):
        image = rng.integers(0, 255, (3, 40, 50)).astype(np.uint8)
        tifffile.imwrite(folder / f"a{n}.tif", image, photometric="minisblack")
    widget = open_widget("Batch")
    widget.model = tiny_model
    assert not widget.start_button.isEnabled()
    until(qtbot, lambda: widget.start_row.reason.isVisible())
    assert "Add images first" in widget.start_row.reason.text()
    assert "Add images first" in widget.start_button.accessibleDescription()
    with pytest.raises(InputError, match="Add images first"):
        widget.start()

    drop_files(widget.table, [folder])
    until(qtbot, lambda: not widget.jobs.busy)
    assert widget.table.rowCount() == 2
    assert widget.start_button.isEnabled()
    assert widget.start_row.reason.isHidden()
    assert "3 x 40 x 50 uint8" in widget.table.item(0, CONTENT).text()
    widget.table.item(1, AXES).setText("tyx")
    until(qtbot, lambda: widget.table.item(1, CONTENT).text().startswith("TYX"))
    widget.output = tmp_path / "out"
    widget.search.points_per_side.setValue(2)
    assert widget.search.preset.currentText() == "own settings"
    widget.form.exports["coco"].setChecked(True)
    widget.start_button.click()
    assert not widget.start_button.isEnabled()
    assert widget.start_row.reason.isHidden()
    until(qtbot, lambda: not widget.running, 30_000)
    assert [outcome.state for outcome in widget.outcomes] == ["done", "done"]
    count = widget.outcomes[0].objects
    assert [widget.table.item(0, n).text() for n in (STATE, OBJECTS)] == ["done", str(count)]
    # The first image with results is selected after a run, so that they can be opened.
    assert widget.table.selected() == [0]
    assert f"done, {count} objects" in widget.results.about.text()
    assert (tmp_path / "out" / "a0_coco.json").is_file()

    again = widget.start(wait=True)
    assert [outcome.state for outcome in again] == ["same", "same"]
    opened: list[Any] = []
    monkeypatch.setattr("napari_segany.plugin.batch.widget.QDesktopServices.openUrl", opened.append)
    assert widget.open_report() == tmp_path / "out" / "segany_report.html"
    assert opened[0].isLocalFile()
    widget.table.selectRow(1)
    widget.start(wait=True)
    assert widget.table.selected() == [1]
    image, labels = widget.open_results()
    assert image.data.shape == labels.data.shape == (3, 40, 50)
    assert image.scale.tolist() == labels.scale.tolist()
    recipe = widget.use_recipe(tmp_path / "out" / "a1_recipe.json")
    assert recipe is not None
    assert recipe.axes == "TYX"
    assert widget.options.params.points_per_side == 2
    assert "--points-per-side 2" in widget.copy_command()
    saved = Recipe.from_json(widget.save_recipe(tmp_path / "saved.json").read_text())
    assert saved == recipe
    widget.remove([0])
    assert widget.table.rowCount() == 1
    assert widget.start_button.isEnabled()
    widget.remove([0])
    assert not widget.start_button.isEnabled()


def drop_files(table: Any, paths: list[Path]) -> None:
    """Drop files on a table as a file manager does."""
    content = QMimeData()
    content.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    at, actions = QPointF(5, 5), Qt.DropAction.CopyAction
    event = QDropEvent(
        at, actions, content, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    table.dropEvent(event)
    assert event.isAccepted()


def test_a_batch_that_is_stopped_goes_on(
    viewer: Any,
    qtbot: Any,
    open_widget: Any,
    tiny_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    tifffile.imwrite(tmp_path / "a.tif", rng.integers(0, 255, (6, 40, 50)).astype(np.uint8))
    generate, begun = plane_search.generate_masks, []

    def held(*args: Any, **given: Any) -> Any:
        begun.append(args)
        # The fourth plane waits until it is told to stop.
        while len(begun) == 4 and not given["should_stop"]():
            time.sleep(0.002)
        return generate(*args, **given)

    monkeypatch.setattr(plane_search, "generate_masks", held)
    widget = open_widget("Batch")
    widget.model = tiny_model
    widget.add([tmp_path / "a.tif"])
    widget.output = tmp_path / "out"
    widget.search.points_per_side.setValue(4)
    widget.start()
    until(qtbot, lambda: len(begun) == 4, 60_000)
    widget.stop_button.click()
    assert "start again" in widget.message.text()
    until(qtbot, lambda: not widget.jobs.busy)
    assert not (tmp_path / "out" / "a_labels.ome.tif").exists()
    (outcome,) = widget.start(wait=True)
    assert outcome.resumed == 3
