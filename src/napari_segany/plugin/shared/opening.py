"""Docks as the menu opens them: at once, with their content once its modules are imported.

This module imports nothing large, because napari imports it while the window waits.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segany.plugin.jobs import preloading
from napari_segany.plugin.jobs.chunked import do_in_turns
from napari_segany.plugin.jobs.qt_queue import QtJobQueue
from napari_segany.plugin.shared import canvas_room
from napari_segany.plugin.shared.held_controls import LOADING
from napari_segany.plugin.shared.progress_panel import ProgressPanel
from napari_segany.plugin.shared.settings import read_settings

if TYPE_CHECKING:
    import napari.viewer

HEIGHT = 400
"""Height that a dock asks for while its content is missing, in pixels."""

LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed")
"""Events of a viewer's layers after which napari has docks update their choices."""


class LoadingDock(QWidget):
    """Dock whose content takes its place as soon as the modules are imported.

    napari's menu gives a new dock the viewer itself, and adds what it gets to the window. A script
    calls ``add_plugin_dock_widget``, which gives a proxy of the viewer; it needs the content at
    once, and gets it. For the menu the content is made and shown in turns of the event loop.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer, or a proxy.

    Attributes
    ----------
    line : QLabel
        What happens; an error, if the modules cannot be imported.
    """

    module: ClassVar[str]
    """Module of the content."""

    name: ClassVar[str]
    """Name of the content's class."""

    needs_viewer: ClassVar[bool] = True
    """True if the content is made with the viewer."""

    def __new__(cls, viewer: Any) -> Any:
        """Return the content for a script, else the dock."""
        if hasattr(viewer, "__wrapped__"):
            return cls.make_content(viewer)
        loading: LoadingDock = super().__new__(cls)
        return loading

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._viewer: Any = viewer
        self._content: Any = None
        # What is left of making the content and showing it.
        self._steps = self._show_in_parts()
        self._then: list[Callable[[Any], object]] = []
        self._is_joined = False
        self._jobs = QtJobQueue(self)
        self.line = QLabel(LOADING)
        self.line.setWordWrap(True)
        self._progress = ProgressPanel()
        column = QVBoxLayout(self)
        column.addWidget(self.line)
        column.addWidget(self._progress)
        column.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._progress.show_busy()
        self._jobs.callback_failed.connect(self._on_failed)
        self._jobs.run_beside(lambda _: self._prepare(), self._on_loaded, self._on_failed)

    @classmethod
    def make_content(cls, viewer: Any) -> QWidget:
        """Return the content; its modules are imported unless that was done."""
        content: QWidget = resolve_name(f"{cls.module}:{cls.name}")(
            *((viewer,) if cls.needs_viewer else ())
        )
        return content

    def _prepare(self) -> None:
        """Import the modules of the content, and do what else needs no window."""
        # napari imports pandas for the first layer with features, which an image has not.
        preloading.import_all(("pandas", self.module))
        # These import large modules, too.
        from napari_segany.plugin.layers.layer_warmup import warm_up_layers
        from napari_segany.weights.finders import installed_finders

        warm_up_layers()
        # The first time, napari reads a file, and so are those of finders.
        read_settings()
        list(installed_finders())

    def sizeHint(self) -> QSize:
        """Return the size that the content is going to ask for, nearly."""
        dock = canvas_room.dock_of(self)
        window = None if dock is None else dock.parentWidget()
        return QSize(canvas_room.opening_width(window), HEIGHT)

    def showEvent(self, event: Any) -> None:
        """Join the other docks of this package, once the window has this one."""
        super().showEvent(event)
        self._jobs.call_later("join", self._join)

    def _join(self) -> None:
        # Once: a person may have moved it since.
        if not self._is_joined:
            self._is_joined = True
            canvas_room.join_others(self)
            canvas_room.mark(self)

    def finish(self) -> Any:
        """Put the content in the dock now, however far it is, and return it."""
        for _ in self._steps:
            pass
        return self._content

    def then(self, act: Callable[[Any], object]) -> None:
        """Call a function with the content once it is shown, in a turn of its own."""
        self._then.append(act)

    def _show_in_parts(self) -> Iterator[None]:
        """Make the content and put it in the dock; yield after each part."""
        made = resolve_name(f"{self.module}:{self.name}")
        args = (self._viewer,) if self.needs_viewer else ()
        for content in made.in_parts(*args) if hasattr(made, "in_parts") else [made(*args)]:
            self._content = content
            yield
        dock = canvas_room.dock_of(self)
        if dock is None:
            # The panel was closed meanwhile.
            content.close()
        else:
            # Modules that were imported before are there sooner than the window shows the dock.
            self._join()
            if hasattr(content, "hold_back"):
                content.hold_back()
            dock.setWidget(content)
            self._connect_layers(content)
            if hasattr(content, "show_in_parts"):
                yield
                yield from content.show_in_parts()
            for act in self._then:
                content.jobs.call_later(act, partial(act, content))
        self._end()

    def _on_loaded(self, _: Any) -> None:
        # The panel may have been closed meanwhile.
        if canvas_room.dock_of(self) is None:
            self._end()
        else:
            do_in_turns(self._jobs, "show", self._steps, self._on_failed)

    def _on_failed(self, error: Exception) -> None:
        self._progress.finish()
        self.line.setText(f"{self.name} could not be loaded. {error}")

    def _connect_layers(self, content: Any) -> None:
        """Have the content update its choices of layers, as napari does for docks of its own."""
        if hasattr(content, "reset_choices"):
            for name in LAYER_EVENTS:
                getattr(self._viewer.layers.events, name).connect(content.reset_choices)

    def _end(self) -> None:
        # Not before: the thread and the turns of this dock would wait for each other.
        preloading.begin()
        self._viewer = None
        self._jobs.shut_down()
        self.deleteLater()


class PromptDock(LoadingDock):
    """Dock with a :class:`~napari_segany.plugin.prompt.widget.PromptWidget`."""

    module, name = preloading.DOCKS["Prompt"], "PromptWidget"


class EverythingDock(LoadingDock):
    """Dock with an :class:`~napari_segany.plugin.everything.widget.EverythingWidget`."""

    module, name = preloading.DOCKS["Everything"], "EverythingWidget"


class TracksDock(LoadingDock):
    """Dock with a :class:`~napari_segany.plugin.tracks.widget.TracksWidget`."""

    module, name = preloading.DOCKS["Tracks"], "TracksWidget"


class BatchDock(LoadingDock):
    """Dock with a :class:`~napari_segany.plugin.batch.widget.BatchWidget`."""

    module, name = preloading.DOCKS["Batch"], "BatchWidget"


class LearnDock(LoadingDock):
    """Dock with a :class:`~napari_segany.plugin.learn.widget.LearnWidget`."""

    module, name = preloading.DOCKS["Learn"], "LearnWidget"


class EvaluateDock(LoadingDock):
    """Dock with an :class:`~napari_segany.plugin.evaluate.widget.EvaluateWidget`."""

    module, name = preloading.DOCKS["Evaluate"], "EvaluateWidget"


class ModelsDock(LoadingDock):
    """Dock with a :class:`~napari_segany.plugin.models.widget.ModelsWidget`."""

    module, name = preloading.DOCKS["Models"], "ModelsWidget"
    needs_viewer = False


DOCKS: dict[str, type[LoadingDock]] = {
    "Prompt": PromptDock,
    "Everything": EverythingDock,
    "Tracks": TracksDock,
    "Batch": BatchDock,
    "Learn": LearnDock,
    "Evaluate": EvaluateDock,
    "Models": ModelsDock,
}
"""Class of each dock, by its name in the menu."""

TITLES = "{} (Segment Anything)", "{} (napari-segany)"
"""Names that napari gives to a dock that the menu opened, and to one that a script opened."""


def open_dock(viewer: Any, name: str) -> Any:
    """Open a dock of this plugin, or find the open one, and return its content.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    name : str
        Name of the dock in the menu.
    """
    widget = _open_loading(viewer, name)
    return widget.finish() if isinstance(widget, LoadingDock) else widget


def find_dock(viewer: Any, name: str) -> Any:
    """Return the content of an open dock of this plugin; None without one, or without a window."""
    widget = _find(getattr(viewer, "window", None), name)
    return None if isinstance(widget, LoadingDock) else widget


def open_then(viewer: Any, name: str, act: Callable[[Any], object]) -> None:
    """Open a dock as the menu does, or find the open one, and call a function with its content.

    Parameters
    ----------
    viewer, name
        As for :func:`open_dock`.
    act : callable
        Called at once if the dock is open, else in a turn of its own when it is shown; an error is
        shown in that dock then.
    """
    widget = _open_loading(viewer, name)
    if isinstance(widget, LoadingDock):
        widget.then(act)
    else:
        act(widget)


def _open_loading(viewer: Any, name: str) -> Any:
    """Return what is in a dock: its content, or what stands in for it until that is made."""
    window = viewer.window
    widget = _find(window, name)
    if widget is None:
        loading = DOCKS[name](getattr(viewer, "__wrapped__", viewer))
        window.add_dock_widget(loading, name=TITLES[0].format(name), tabify=True)
        return loading
    dock = canvas_room.dock_of(widget)
    if dock is not None:
        dock.show()
        dock.raise_()
    return widget


def _find(window: Any, name: str) -> Any:
    docks = {} if window is None else window.dock_widgets
    return next(
        (docks[title] for title in (t.format(name) for t in TITLES) if title in docks), None
    )
