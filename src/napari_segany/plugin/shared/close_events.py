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
    may_close : callable
        Called before the panel is closed by its button; False leaves it open.
    """

    def __init__(
        self,
        widget: QWidget,
        window: Any,
        on_panel: Callable[[], object],
        on_window: Callable[[], object],
        may_close: Callable[[], bool],
    ) -> None:
        super().__init__(widget)
        self._widget: Any = widget
        # The filter may outlive the window and must not keep it alive.
        self._window = None if window is None else weakref.ref(window)
        self._on_panel, self._on_window, self._may_close = on_panel, on_window, may_close
        self._docked = False
        self._panel: Any = None
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
        if watched is self._widget and kind == QEvent.Type.Show:
            self._ask_first()
        # A minimised window is hidden spontaneously.
        hidden = kind == QEvent.Type.Hide and event is not None and not event.spontaneous()
        if hidden and self._window is not None and watched is self._window():
            self._on_window()
        return False

    def _ask_first(self) -> None:
        """Ask before napari's button closes the panel, which removes the widget at once."""
        panel = self._widget.parent()
        while panel is not None and not hasattr(panel, "destroyOnClose"):
            panel = panel.parent()
        if panel is None or panel is self._panel:
            return
        self._panel, close = panel, panel.destroyOnClose

        def ask_and_close() -> None:
            if self._may_close():
                close()

        panel.destroyOnClose = ask_and_close


def ask_to_commit(count: int) -> bool | None:
    """Ask in a dialog if objects that are not committed shall be committed; None to cancel."""
    box = QMessageBox()
    box.setWindowTitle("Objects that are not committed")
    box.setText(
        f"{count} object{'s are' if count > 1 else ' is'} not committed. What is not committed now "
        "is kept, and offered when you choose this image again."
    )
    commit = box.addButton("Commit", QMessageBox.ButtonRole.AcceptRole)
    keep = box.addButton("Keep for later", QMessageBox.ButtonRole.DestructiveRole)
    box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    box.exec()
    clicked = box.clickedButton()
    # The dialog closed by Escape is a cancellation.
    return None if clicked not in (commit, keep) else clicked is commit


def tell_what_is_left(count: int) -> None:
    """Show in the viewer, because the panel is closed, how many objects were not committed."""
    show_info(
        f"{count} object{'s were' if count > 1 else ' was'} not committed: not segmented yet, with "
        "lower scores than asked for, or without a pixel of their own. They are kept, and offered "
        "when you choose this image again."
    )


def kept_message(count: int, image: str) -> str:
    """Return a message about objects of an image that are open when another one is chosen."""
    if not count:
        return ""
    many = f"s of {image} stay" if count > 1 else f" of {image} stays"
    return f"{count} object{many} open; choose it again to go on."


def back_message(count: int) -> str:
    """Return a message about open objects that came back with their image."""
    if not count:
        return ""
    return f"{count} open object{'s are' if count > 1 else ' is'} back."
