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


def until(qtbot: Any, condition: Callable[[], Any], timeout: int = 20_000) -> None:
    """Let the window work until something is so."""
    qtbot.waitUntil(lambda: bool(condition()), timeout=timeout)


def click(qtbot: Any, viewer: Any, row: float, col: float) -> None:
    """Click with the left button where a place of the plane in view is on the screen."""
    from qtpy.QtCore import QPoint, Qt

    canvas = viewer.window._qt_viewer.canvas
    where = np.asarray(canvas.view.scene.transform.map([col, row, 0, 1]))
    x, y = where[:2] / where[3]
    qtbot.mouseClick(canvas.native, Qt.MouseButton.LeftButton, pos=QPoint(int(x), int(y)))


def press(qtbot: Any, viewer: Any, key: str) -> None:
    """Press a key while the canvas has the focus."""
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, key)
