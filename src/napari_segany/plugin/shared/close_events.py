"""What happens when a panel or the window around it is closed."""

import weakref
from collections.abc import Callable
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget


class CloseEvents(QObject):
    """Notices that a widget's panel or its window is closed.

    Napari only takes a widget out of its panel, and a window that closes tells no widget.

    Parameters
    ----------
    widget : QWidget
        In a dock of napari's.
    window : QMainWindow or None
        The window of the viewer.
    on_panel, on_window : callable
        Called when the panel, or the window, was closed.
    """

    def __init__(
        self,
        widget: QWidget,
        window: Any,
        on_panel: Callable[[], object],
        on_window: Callable[[], object],
    ) -> None:
        super().__init__(widget)
        self._widget: Any = widget
        # Whoever outlives the window must not keep it alive.
        self._window = None if window is None else weakref.ref(window)
        self._on_panel, self._on_window = on_panel, on_window
        self._docked = False
        widget.installEventFilter(self)
        if window is not None:
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look at what happens to widget and window."""
        kind = None if event is None else event.type()
        if watched is self._widget and kind == QEvent.Type.ParentChange:
            docked = watched is not None and watched.parent() is not None
            before, self._docked = self._docked, docked
            if before and not self._docked:
                self._on_panel()
        # A window that is only made an icon is hidden spontaneously.
        hidden = kind == QEvent.Type.Hide and event is not None and not event.spontaneous()
        if hidden and self._window is not None and watched is self._window():
            self._on_window()
        return False


def ask_to_commit(count: int) -> bool:
    """Ask whether objects that are not committed shall be, before a panel closes."""
    box = QMessageBox()
    box.setWindowTitle("Objects that are not committed")
    box.setText(
        f"{count} object{'s are' if count > 1 else ' is'} not committed. What is not committed now "
        "is kept, and offered when you choose this image again."
    )
    commit = box.addButton("Commit", QMessageBox.ButtonRole.AcceptRole)
    box.addButton("Keep for later", QMessageBox.ButtonRole.RejectRole)
    box.exec()
    return box.clickedButton() is commit


def tell_what_is_left(count: int) -> None:
    """Say in the viewer, as the panel is gone, that not everything could be committed."""
    show_info(
        f"{count} object{'s were' if count > 1 else ' was'} not committed: not segmented yet, with "
        "lower scores than asked for, or without a pixel of their own. They are kept, and offered "
        "when you choose this image again."
    )
