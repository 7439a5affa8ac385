"""A real mouse and keyboard on napari's window."""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

needs_a_display = pytest.mark.skipif(
    sys.platform.startswith("linux") and not os.environ.get("DISPLAY"),
    reason="there is no display",
)

TURNS = 8
"""Of Qt's event loop, in which a window that stays as it is has been laid out."""


def until(qtbot: Any, condition: Callable[[], Any], timeout: int = 20_000) -> None:
    """Let the window work until something is so."""
    qtbot.waitUntil(lambda: bool(condition()), timeout=timeout)


def on_screen(viewer: Any, row: float, col: float) -> Any:
    """Where a place of the plane in view is on the canvas."""
    from qtpy.QtCore import QPoint
    from qtpy.QtWidgets import QApplication

    canvas = viewer.window._qt_viewer.canvas
    # A window that is still to be laid out anew, which takes some turns, moves what is aimed at.
    widths: list[int] = []
    while len(set(widths[-TURNS:])) != 1 or len(widths) < TURNS:
        QApplication.processEvents()
        widths.append(canvas.native.width())
    where = np.asarray(canvas.view.scene.transform.map([col, row, 0, 1]))
    x, y = where[:2] / where[3]
    return QPoint(int(x), int(y))


def click(qtbot: Any, viewer: Any, row: float, col: float) -> None:
    """Click with the left button where a place of the plane in view is on the screen."""
    from qtpy.QtCore import Qt

    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=on_screen(viewer, row, col))


def drag(qtbot: Any, viewer: Any, *places: tuple[float, float]) -> None:
    """Press the left button at the first place, and let it go at the last."""
    from qtpy.QtCore import QEvent, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    canvas, left = viewer.window._qt_viewer.canvas.native, Qt.MouseButton.LeftButton
    way = [on_screen(viewer, *place) for place in places]
    qtbot.mouseMove(canvas, way[0])
    qtbot.wait(20)
    qtbot.mousePress(canvas, left, pos=way[0])
    for at in way[1:]:
        # Qt's test module moves the mouse without saying that a button is down.
        move = QMouseEvent(
            QEvent.Type.MouseMove,
            QPointF(at),
            QPointF(canvas.mapToGlobal(at)),
            Qt.MouseButton.NoButton,
            left,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(canvas, move)
        qtbot.wait(20)
    qtbot.mouseRelease(canvas, left, pos=way[-1])


def press(qtbot: Any, viewer: Any, key: str) -> None:
    """Press a key while the canvas has the focus."""
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, key)
