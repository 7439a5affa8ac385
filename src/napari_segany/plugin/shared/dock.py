"""Base classes of the docks: message line, guarded controls, progress, model and closing."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSize, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QApplication, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.qt_queue import QtJobQueue
from napari_segany.plugin.shared import canvas_room, controls
from napari_segany.plugin.shared.accessible_names import name_controls
from napari_segany.plugin.shared.canvas_guard import guard_canvas
from napari_segany.plugin.shared.close_events import CloseEvents
from napari_segany.plugin.shared.controls import Part
from napari_segany.plugin.shared.held_controls import HeldControls
from napari_segany.plugin.shared.late_controls import narrow_choices
from napari_segany.plugin.shared.message_line import MessageLine, Severity
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.plugin.shared.progress_panel import ProgressPanel
from napari_segany.plugin.shared.run_when_ready import RunWhenReady
from napari_segany.plugin.shared.scroll_panel import MARGINS, ScrollPanel
from napari_segany.plugin.shared.settings import read_settings
from napari_segany.weights import cache

LAID_OUT = 100
"""Milliseconds in which a window lays out a new dock, its style, and its tab."""

ATTEMPTS = 3
"""Attempts to make room for the canvas; widths are known when everything is laid out."""

AROUND = (6, 4, 4, 4)
"""Margins around the content of a dock."""


class Dock(QWidget):
    """Base of all docks.

    Parameters
    ----------
    viewer : napari.viewer.Viewer, optional
        The viewer; its proxy, which napari passes for one way of opening a dock, is unwrapped.

    Attributes
    ----------
    viewer : napari.viewer.Viewer or None
        The viewer.
    preferences : PluginSettings
        Choices in napari's Preferences when the dock was opened.
    jobs : QtJobQueue
        Background jobs of this dock; they are cancelled when it ends.
    message : MessageLine
        Line for messages; use :meth:`say`.
    progress : ProgressPanel
        Progress bar, hidden when the jobs become idle.
    known_notices : set of str
        Kinds of notices that are not shown, because a control of the dock says the same.
    """

    def __init__(self, viewer: Any = None) -> None:
        super().__init__()
        self.viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self.preferences = read_settings()
        cache.use_folder(self.preferences.cache_folder)
        self.jobs = QtJobQueue(self)
        self.message = MessageLine()
        self.progress = ProgressPanel()
        self._ended = False
        self._was_shown = False
        self._page: QWidget | None = None
        self._held: HeldControls | None = None
        self.jobs.busy_changed.connect(self._on_busy)
        self.jobs.callback_failed.connect(self.message.say_error)
        # Kinds of notices of the library that were shown.
        self._noticed: set[str] = set()
        self.known_notices: set[str] = set()
        self.jobs.noticed.connect(self._on_notice)
        self._close_events = CloseEvents(
            self, self._window, self._on_panel_closed, self.end, self._may_close
        )

    @classmethod
    def in_parts(cls, *args: Any) -> Iterator[Any]:
        """Yield the dock after each part of making it; a script makes it at once."""
        yield cls(*args)

    # Messages and controls ------------------------------------------------------------------

    def say(self, text: str, severity: Severity = "info") -> None:
        """Show a message in the dock; an empty one hides the line."""
        self.message.say(text, severity)

    def _on_notice(self, kind: str, text: str) -> None:
        """Show a warning that the library logged, the first of its kind on an image."""
        if kind not in self._noticed | self.known_notices:
            self._noticed.add(kind)
            self.message.add_notice(text)

    def _forget_notices(self) -> None:
        """Remove the warnings about an image; those about the next one are shown again."""
        self._noticed.clear()
        self.message.clear_notices()

    def copy_text(self, text: str, notes: Iterable[str] = ()) -> str:
        """Copy a text to the clipboard, say so with notes about it, and return the text."""
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(text)
        remarks = list(notes)
        self.say(" ".join(["Copied.", *remarks]), "warning" if remarks else "info")
        return text

    def guarded(self, act: Callable[[], Any]) -> Callable[..., None]:
        """Return a slot that ignores the signal's arguments and shows errors as messages."""
        return self.message.guarded(act)

    def guarded_with(self, act: Callable[..., Any]) -> Callable[..., None]:
        """Return a slot that passes on the signal's arguments and shows errors as messages."""
        return self.message.guarded_with(act)

    def button(self, text: str, act: Callable[[], Any], tip: str) -> QPushButton:
        """Return a button whose errors are shown as messages."""
        return controls.button(text, self.guarded(act), tip)

    def lay_out(
        self, scrolling: Iterable[Part] = (), fixed: Iterable[Part] = (), tall: Part | None = None
    ) -> None:
        """Arrange the dock.

        Parameters
        ----------
        scrolling : iterable of QWidget or QLayout
            Parts that scroll where the window is too low.
        fixed : iterable of QWidget or QLayout
            Parts below them, which are always visible.
        tall : QWidget or QLayout, optional
            Part that gets the spare height; without it spare height stays empty.
        """
        self._page = page = QWidget()
        around = QVBoxLayout(page)
        around.setContentsMargins(*AROUND)
        parts, below = list(scrolling), list(fixed)
        if parts:
            inside = QWidget()
            column = controls.column(*parts, tall=tall)
            column.setContentsMargins(*MARGINS)
            if tall is None:
                column.addStretch()
            inside.setLayout(column)
            around.addWidget(ScrollPanel(inside), 1)
        around.addLayout(controls.column(*below, tall=tall), 1 if tall in below else 0)
        if parts or tall is not None:
            # napari puts an empty space below a dock that does not say that it wants all of it.
            self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setLayout(whole := controls.column(page))
        whole.setContentsMargins(0, 0, 0, 0)
        narrow_choices(self)
        name_controls(self)

    def hold_back(self) -> None:
        """Show a line in place of the controls until :meth:`show_in_parts` has shown them."""
        if self._page is not None:
            self._held = HeldControls(self, self._page)

    def show_in_parts(self) -> Iterator[None]:
        """Show the controls that were held back; yield after each part."""
        held, self._held = self._held, None
        for _ in () if held is None else held.put_back():
            yield
            if self._ended:
                return

    def sizeHint(self) -> QSize:
        """Return a width that leaves the window to the image, and the height of the content."""
        least = self.minimumSizeHint().width()
        width = canvas_room.opening_width(self._window)
        return QSize(max(width, least), super().sizeHint().height())

    @property
    def _window(self) -> Any:
        """Main window of the viewer, None without one."""
        if self.viewer is not None:
            return getattr(getattr(self.viewer, "window", None), "_qt_window", None)
        # A dock that needs no viewer is still in a window of one.
        dock = canvas_room.dock_of(self)
        return None if dock is None else dock.parentWidget()

    # Life cycle -----------------------------------------------------------------------------

    def showEvent(self, event: Any) -> None:
        """Begin when the dock is shown for the first time."""
        super().showEvent(event)
        if not self._was_shown:
            self._was_shown = True
            # Later, because napari and scripts are still setting up the dock.
            QTimer.singleShot(0, self._begin)

    def _begin(self) -> None:
        """Leave the window to the image; called once, after the dock was shown."""
        canvas_room.mark(self)
        canvas_room.shorten_title(self)
        guard_canvas(self._window)
        if self._window is not None:
            self._window.installEventFilter(self)
        self._make_room()
        for attempt in range(1, ATTEMPTS):
            QTimer.singleShot(attempt * LAID_OUT, self._make_room)

    def _make_room(self) -> None:
        if not self._ended and self._window is not None:
            canvas_room.make_room(self._window, self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Leave the canvas its share of a window that was made narrower, if the dock is in view."""
        is_narrower = (
            isinstance(event, QResizeEvent) and event.size().width() < event.oldSize().width()
        )
        if is_narrower and self.isVisible():
            # Later, as the docks of the window are laid out after this event.
            QTimer.singleShot(LAID_OUT, self._make_room)
        return bool(super().eventFilter(watched, event))

    def end(self) -> None:
        """Cancel all work and release the viewer; later calls do nothing."""
        if not self._ended:
            self._ended = True
            self._release()
            window = self._window
            if window is not None and all(each._ended for each in window.findChildren(Dock)):
                canvas_room.give_back(window)
            self.jobs.shut_down()

    def _release(self) -> None:
        """Release the viewer and other resources; called once, before the jobs are shut down."""

    def closeEvent(self, event: Any) -> None:
        """End the dock."""
        self.end()
        super().closeEvent(event)

    def _may_close(self) -> bool:
        """Return False to leave the panel open, whose button was pressed to close it."""
        return True

    def _on_panel_closed(self) -> None:
        """End the dock, because its panel was closed in the window."""
        self.end()

    def _on_busy(self, busy: bool) -> None:
        """Follow the jobs, which became busy or idle."""
        if not busy:
            self.progress.finish()


class ModelDock(Dock):
    """Base of docks whose work needs a model.

    A subclass calls :meth:`connect_model` once, with the object that holds the model.

    Attributes
    ----------
    picker : ModelPicker
        Control that chooses, fetches and loads the model.
    """

    _pending: PendingModel
    _starter: RunWhenReady

    def __init__(self, viewer: Any = None) -> None:
        super().__init__(viewer)
        self.picker = ModelPicker(self.jobs, self.preferences)

    def connect_model(self, pending: PendingModel) -> None:
        """Give the model to an object when it is loaded, and show the messages of that object.

        Parameters
        ----------
        pending : PendingModel
            Holder of the model and of what waits for it.
        """
        self._pending = pending
        self._starter = RunWhenReady(self.picker, pending, self.jobs, self.message)
        self.picker.loaded.connect(self._on_model)
        self.picker.loaded.connect(lambda _: self.message.clear_error())
        self.picker.released.connect(lambda: self._on_model(None))
        pending.status.connect(self.say)

    @property
    def model(self) -> PromptableModel | None:
        """The model in use; None until one is loaded."""
        return self._pending.model

    @model.setter
    def model(self, model: PromptableModel | None) -> None:
        if model is None:
            self._on_model(None)
        else:
            self.picker.show_model(model)

    def _on_model(self, model: PromptableModel | None) -> None:
        """Use another model, or none."""
        self._pending.model = model

    def load_model(self, wait: bool = False) -> PromptableModel | None:
        """Load the chosen model; if its weights are missing, offer to fetch them.

        Parameters
        ----------
        wait : bool
            Return when the model is loaded.
        """
        self.picker.load()
        if wait:
            self.jobs.wait()
        return self.model

    def fetch_model(self, wait: bool = False) -> PromptableModel | None:
        """Fetch the weights of the chosen model and load it; see :meth:`load_model`."""
        self.picker.fetch()
        if wait:
            self.jobs.wait()
        return self.model

    def run_when_ready(self, act: Callable[[], object], wait: bool = False) -> None:
        """Start work that needs the model, and load the model; see :class:`RunWhenReady`."""
        self._starter.begin(act, wait)
