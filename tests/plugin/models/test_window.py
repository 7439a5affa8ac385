"""The Models dock in a real window."""

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QPushButton
from tests.plugin.windows import needs_a_display

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
    {b.text(): b for b in widget.findChildren(QPushButton)}["Fetch"].click()
    assert "Select a model" in widget.message.text()
