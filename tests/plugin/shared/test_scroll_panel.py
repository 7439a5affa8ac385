"""Panels in a window of a small screen."""

from typing import Any

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QDoubleSpinBox, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible
from tests.plugin.windows import needs_a_display, until

from napari_segany.plugin.shared.controls import column
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.scroll_panel import ScrollPanel

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.mark.parametrize(
    "name", ["Prompt", "Everything", "Tracks", "Batch", "Learn", "Evaluate", "Models"]
)
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


def turn_wheel(target: QWidget) -> None:
    """Turn the wheel by one notch over a widget."""
    at = QPointF(target.rect().center())
    event = QWheelEvent(
        at,
        QPointF(target.mapToGlobal(target.rect().center())),
        QPoint(0, 0),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(target, event)


def test_the_wheel_scrolls_and_changes_only_a_control_that_was_clicked(qtbot: Any) -> None:
    inside = QWidget()
    column = QVBoxLayout(inside)
    spins = [QDoubleSpinBox() for _ in range(40)]
    for spin in spins:
        spin.setValue(5)
        column.addWidget(spin)
    area = ScrollPanel(inside)
    qtbot.addWidget(area)
    area.resize(200, 200)
    area.show()
    area.activateWindow()
    qtbot.waitExposed(area)
    bar = area.verticalScrollBar()
    turn_wheel(spins[1])
    assert spins[1].value() == 5
    assert bar.value() > 0
    spins[1].setFocus()
    until(qtbot, spins[1].hasFocus)
    turn_wheel(spins[1])
    assert spins[1].value() == 4


def test_a_section_that_is_opened_by_hand_stays_in_view_until_the_person_scrolls(
    qtbot: Any,
) -> None:
    above, content = QLabel(), QLabel()
    above.setFixedHeight(300)
    content.setFixedHeight(60)
    fold, inside = Fold("Sort", content), QWidget()
    inside.setLayout(column(above, fold))
    panel = ScrollPanel(inside)
    qtbot.addWidget(panel)
    panel.resize(200, 320)
    panel.show()
    qtbot.waitExposed(panel)

    def is_seen() -> bool:
        top = fold.mapTo(panel.viewport(), QPoint()).y()
        return top >= 0 and top + fold.height() <= panel.viewport().height()

    # A script that opens it scrolls nothing.
    fold.expand()
    qtbot.wait(50)
    assert not is_seen()
    fold.collapse()
    qtbot.mouseClick(fold.toggleButton(), Qt.MouseButton.LeftButton)
    until(qtbot, is_seen)
    content.setFixedHeight(150)
    until(qtbot, lambda: fold.height() > 150 and is_seen())
    panel.resize(200, 220)
    until(qtbot, lambda: panel.viewport().height() == 220 and is_seen())
    turn_wheel(panel.viewport())
    content.setFixedHeight(170)
    until(qtbot, lambda: fold.height() > 170)
    qtbot.wait(50)
    assert not is_seen()
