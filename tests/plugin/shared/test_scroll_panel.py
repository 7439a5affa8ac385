"""Panels in a window of a small screen."""

from typing import Any

import pytest
from superqt import QCollapsible
from tests.plugin.windows import needs_a_display, until

from napari_segany.plugin.shared.scroll_panel import ScrollPanel

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.mark.parametrize("name", ["Prompt", "Everything", "Batch", "Evaluate", "Models"])
def test_a_panel_fits_a_small_screen_and_nothing_is_cut_off(
    window: Any, name: str, qtbot: Any
) -> None:
    window.window.resize(1366, 768)
    _, widget = window.window.add_plugin_dock_widget("napari-segany", name)
    for fold in widget.findChildren(QCollapsible):
        fold.expand(animate=False)
    areas = widget.findChildren(ScrollPanel)
    until(
        qtbot,
        lambda: all(
            area.viewport().width() >= area.widget().minimumSizeHint().width() for area in areas
        ),
    )
    assert window.window._qt_window.height() <= 768
    widget.close()
