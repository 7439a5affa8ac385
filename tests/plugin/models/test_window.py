"""The Models dock in a real window."""

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QPushButton
from tests.plugin.windows import needs_a_display, until

from napari_segany.errors import InputError
from napari_segany.weights import catalog
from napari_segany.weights.by_hand import BY_HAND

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    return window


def test_models_are_listed_with_their_licences(
    viewer: Any, open_widget: Any, cache_folder: Path
) -> None:
    widget = open_widget("Models")
    assert widget.table.rowCount() == len(catalog.CATALOG) + len(BY_HAND)
    assert widget.refresh() == []
    licences = {widget.table.item(i, 3).text() for i in range(widget.table.rowCount())}
    assert {"Apache-2.0", "CC-BY-4.0"} <= licences
    buttons = {b.text(): b for b in widget.findChildren(QPushButton)}
    enabled = {text: button.isEnabled() for text, button in buttons.items()}
    assert enabled == {"Fetch": False, "Verify": False, "Import…": True, "Stop": False}
    with pytest.raises(InputError, match="Select a model"):
        widget.fetch()
    widget.table.selectRow(0)
    assert buttons["Fetch"].isEnabled()
    assert not buttons["Verify"].isEnabled()
    assert catalog.get_spec(widget.selected).licence in widget.about.text()


def test_the_table_leaves_out_the_licence_where_it_has_no_room(
    viewer: Any, open_widget: Any, cache_folder: Path, qtbot: Any
) -> None:
    viewer.window.resize(1366, 768)
    table = open_widget("Models").table
    until(qtbot, lambda: table.isColumnHidden(3))
    shown = [n for n in range(4) if not table.isColumnHidden(n)]
    assert sum(table.columnWidth(n) for n in shown) <= table.viewport().width()
    assert all(table.columnWidth(n) >= table.sizeHintForColumn(n) for n in shown)
    table.setMinimumWidth(600)
    until(qtbot, lambda: not table.isColumnHidden(3))
