"""Room for the canvas in a small window: the widths of napari's docks and of ours."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QWidget

SHARE = 0.6
"""Share of a window's width that is left to the canvas, where that is possible."""

WIDTH = 320
"""Width of a dock when it is opened, in pixels; controls fit into it at usual sizes of fonts."""

NARROW = 276
"""Width of a dock in a small window."""

LARGE = 1500
"""Width of a window from which docks are :data:`WIDTH` wide."""

LAYER_LIST = "layer list"
"""Name of napari's dock whose style sheet sets widths."""

NAPARI = (LAYER_LIST, "layer controls")
"""Names of napari's own docks beside the canvas, which ask for 320 pixels."""

LEAST = 240
"""Width of napari's docks at which all their buttons are still in view."""

STYLE = "QtLayerButtons, QtViewerButtons, QtLayerList { min-width: 0px; }"
"""Style that lets napari's list of layers be narrower than its style sheet asks for."""

OURS = "segany_dock"
"""Property of a dock with content of this package."""

BEFORE = "segany_width_before"
"""Property of a dock of napari that was narrowed: its width before."""


def opening_width(window: QWidget | None) -> int:
    """Return the width of a dock when it is opened in a window, in pixels."""
    return WIDTH if window is None or window.width() >= LARGE else NARROW


def make_room(window: Any, part: QWidget) -> None:
    """Narrow a dock and napari's own until the canvas has its share of the window.

    Parameters
    ----------
    window : QMainWindow
        Window of the viewer.
    part : QWidget
        Content of the dock.
    """
    dock = dock_of(part)
    if dock is None or dock.isFloating() or window.dockWidgetArea(dock) not in _SIDES:
        return
    missing = round(SHARE * window.width()) - canvas_width(window)
    if missing <= 0:
        return
    least = part.minimumSizeHint().width()
    # It kept the largest minimum that its content ever had, for example before it had its style.
    dock.setMinimumWidth(least)
    ours = max(NARROW, least, dock.width() - missing)
    ours = min(ours, dock.width())
    missing -= dock.width() - ours
    docks, widths = [dock], [ours]
    for each in _docks_of_napari(window):
        if missing > 0 and each.width() > LEAST:
            width = max(LEAST, each.width() - missing)
            _narrow(each, width)
            docks.append(each)
            widths.append(width)
    window.resizeDocks(docks, widths, Qt.Orientation.Horizontal)


def canvas_width(window: Any) -> int:
    """Return the width of the canvas of a window, in pixels: without the margins around it."""
    around = window.centralWidget().layout().contentsMargins()
    width: int = window.centralWidget().width() - around.left() - around.right()
    return width


def give_back(window: Any) -> None:
    """Let napari's docks be as wide as they were before :func:`make_room`."""
    docks, widths = [], []
    for each in window.findChildren(QDockWidget):
        before = each.property(BEFORE)
        inside = each.widget()
        if before is not None and inside is not None:
            each.setProperty(BEFORE, None)
            if inside.styleSheet():
                inside.setStyleSheet("")
            inside.setMinimumWidth(0)
            docks.append(each)
            widths.append(before)
    if docks:
        window.resizeDocks(docks, widths, Qt.Orientation.Horizontal)


def shorten_title(part: QWidget) -> None:
    """Leave the name of the package out of the tab of a dock, which has room for few letters."""
    dock = dock_of(part)
    if dock is not None:
        dock.setWindowTitle(dock.windowTitle().partition(" (")[0])


def mark(part: QWidget) -> None:
    """Mark the dock of a widget as one of this package."""
    dock = dock_of(part)
    if dock is not None:
        dock.setProperty(OURS, True)


def join_others(part: QWidget) -> None:
    """Put a new dock into a tab on another one of this package, and show it.

    Beside each other two docks are too low to work in. One that floats stays as it is.
    """
    dock = dock_of(part)
    window: Any = None if dock is None else dock.parentWidget()
    if dock is None or window is None or dock.isFloating():
        return
    area = window.dockWidgetArea(dock)
    for each in window.findChildren(QDockWidget):
        is_beside = not each.isFloating() and window.dockWidgetArea(each) == area
        if each is not dock and each.property(OURS) and not each.isHidden() and is_beside:
            window.tabifyDockWidget(each, dock)
            dock.raise_()
            return


def dock_of(part: QWidget) -> QDockWidget | None:
    """Return the dock that a widget is in, None if it is in none."""
    parent = part.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


_SIDES = (Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea)


def _docks_of_napari(window: Any) -> list[Any]:
    return [
        each
        for each in window.findChildren(QDockWidget)
        if each.objectName() in NAPARI
        and each.isVisible()
        and not each.isFloating()
        and window.dockWidgetArea(each) in _SIDES
        and each.widget() is not None
    ]


def _narrow(dock: Any, width: int) -> None:
    """Let a dock of napari be narrower than its controls ask for."""
    if dock.property(BEFORE) is None:
        dock.setProperty(BEFORE, dock.width())
        # A style sheet polishes all widgets below anew, which takes tens of milliseconds.
        if dock.objectName() == LAYER_LIST:
            dock.widget().setStyleSheet(STYLE)
    # A minimum that was set counts more than what the controls ask for, for both of them.
    dock.widget().setMinimumWidth(width)
    dock.setMinimumWidth(width)
