"""Detection of a closing panel or window, and the messages shown then."""

import weakref
from collections.abc import Callable
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget


class CloseEvents(QObject):
    """Event filter that detects when a widget's panel or its window is closed.

    napari removes the widget from a closed panel without a close event, and a closing window sends
    no event to its widgets.

    Parameters
    ----------
    widget : QWidget
        Widget in a panel of napari.
    window : QMainWindow or None
        Window of the viewer.
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
        # The filter may outlive the window and must not keep it alive.
        self._window = None if window is None else weakref.ref(window)
        self._on_panel, self._on_window = on_panel, on_window
        self._docked = False
        widget.installEventFilter(self)
        if window is not None:
            window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Detect that the widget lost its parent or the window was hidden."""
        kind = None if event is None else event.type()
        if watched is self._widget and kind == QEvent.Type.ParentChange:
            docked = watched is not None and watched.parent() is not None
            before, self._docked = self._docked, docked
            if before and not self._docked:
                self._on_panel()
        # A minimised window is hidden spontaneously.
        hidden = kind == QEvent.Type.Hide and event is not None and not event.spontaneous()
        if hidden and self._window is not None and watched is self._window():
            self._on_window()
        return False


def ask_to_commit(count: int) -> bool:
    """Ask in a dialog if objects that are not committed shall be committed."""
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
    """Show in the viewer, because the panel is closed, how many objects were not committed."""
    show_info(
        f"{count} object{'s were' if count > 1 else ' was'} not committed: not segmented yet, with "
        "lower scores than asked for, or without a pixel of their own. They are kept, and offered "
        "when you choose this image again."
    )


def uncommitted_message(count: int, image: str) -> str:
    """Return a message about objects of an image that were open when another one was chosen."""
    return (
        f"{count} object{'s' if count > 1 else ''} of {image} not committed: choose it again and "
        "press Restore to go on with them."
    )
