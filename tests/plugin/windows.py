"""A napari window that tests share, and a real mouse and keyboard on it."""

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

needs_a_display = pytest.mark.skipif(
    sys.platform.startswith("linux") and not os.environ.get("DISPLAY"),
    reason="there is no display",
)

TURNS = 8
"""Turns of Qt's event loop after which a window of constant size has been laid out."""

SIZE = (1200, 800)


@contextmanager
def open_window() -> Iterator[Any]:
    """Open a napari window with default settings, and close it afterwards.

    It is opened as napari's own fixture opens one (no console, no status thread, no welcome
    screen), but may live longer than one test.
    """
    from napari import Viewer
    from napari.settings import get_settings
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QWidget

    def no_console(_: Any) -> QWidget:
        widget: Any = QWidget()
        widget._update_theme = lambda *_, **__: None
        return widget

    with (
        patch("napari._qt.threads.status_checker.StatusChecker.start", lambda _: None),
        patch("napari._qt.qt_viewer.QtViewer._get_console", no_console),
    ):
        get_settings().reset()
        viewer = Viewer(show=True, show_welcome_screen=False)
        viewer.window.resize(*SIZE)
        assert QTest.qWaitForWindowExposed(viewer.window._qt_window, 5000)
        # Napari collects garbage whenever a layer goes; what is here already need not be searched.
        gc.collect()
        gc.freeze()
        yield viewer
        gc.unfreeze()
        get_settings().reset()
        with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
            viewer.close()
        del viewer
        delete_later()
        # As after the collection of tests: modules that were imported need not be searched.
        gc.collect()
        gc.freeze()


def scene(viewer: Any) -> Any:
    """Return the owner of the camera, which napari 0.9 moved out of the viewer."""
    return getattr(viewer, "scene", viewer)


def delete_later() -> None:
    """Carry out Qt's deferred deletions, which otherwise wait for the event loop."""
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    for _ in range(2):
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


class WindowState:
    """The state of a window without layers and docks, to which tests return it.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer in a window that was just opened.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.camera = scene(viewer).camera.model_dump()
        self.dims = viewer.dims.model_dump(include={"ndisplay", "order", "axis_labels"})
        self.mouse = {name: list(getattr(viewer, name)) for name in MOUSE_CALLBACKS}
        self.keys = dict(viewer.keymap)
        self.is_used = False

    def restore(self) -> None:
        """Remove docks and layers, and undo what a test changed in the viewer."""
        viewer = self.viewer
        docked = [dock.widget() for dock in viewer.window._wrapped_dock_widgets.values()]
        viewer.window.remove_dock_widget("all")
        for widget in docked:
            if widget is not None:
                # Python would keep it while a function that knows it is connected to a signal.
                widget.deleteLater()
        viewer.layers.clear()
        viewer.dims.update(self.dims)
        viewer.dims.reset()
        scene(viewer).camera.update(self.camera)
        viewer.title = "napari"
        for name, callbacks in self.mouse.items():
            getattr(viewer, name)[:] = callbacks
        viewer.keymap.clear()
        viewer.keymap.update(self.keys)
        viewer.window.resize(*SIZE)
        delete_later()
        if self.is_used:
            gc.collect(1)
        else:
            # The first test imported modules and filled caches, which live to the end.
            self.is_used = True
            gc.collect()
            gc.freeze()


MOUSE_CALLBACKS = (
    *("mouse_move_callbacks", "mouse_drag_callbacks"),
    *("mouse_wheel_callbacks", "mouse_double_click_callbacks"),
)


def is_alive(callback: Any) -> bool:
    """Return False for a method of an object that is gone; napari forgets it at the next event."""
    return not isinstance(callback, tuple) or callback[0]() is not None


def count_leftovers(viewer: Any) -> dict[str, Any]:
    """Count everything that a test might leave in a window or in the process."""
    from qtpy.QtWidgets import QApplication, QDockWidget

    gc.collect()
    delete_later()
    window = viewer.window._qt_window
    models = {
        "viewer": viewer,
        "layers": viewer.layers,
        "selection": viewer.layers.selection,
        "dims": viewer.dims,
        "camera": scene(viewer).camera,
        "cursor": viewer.cursor,
    }
    return {
        "layers": [layer.name for layer in viewer.layers],
        "docks": sorted(dock.objectName() for dock in window.findChildren(QDockWidget)),
        "callbacks": {
            f"{owner}.{name}": sum(map(is_alive, emitter.callbacks))
            for owner, model in models.items()
            for name, emitter in model.events.emitters.items()
        },
        "mouse": {name: len(getattr(viewer, name)) for name in MOUSE_CALLBACKS},
        "keys": sorted(map(str, viewer.keymap)),
        "tasks": list(viewer.window._task_status_manager.get_status()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "widgets": sorted(type(widget).__name__ for widget in QApplication.topLevelWidgets()),
        "dims": viewer.dims.model_dump(),
        "camera": scene(viewer).camera.model_dump(),
    }


def until(qtbot: Any, condition: Callable[[], Any], timeout: int = 60_000) -> None:
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
