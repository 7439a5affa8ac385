"""Docks as the menu opens them: at once, with their content once its modules are imported.

This module imports nothing large, because napari imports it while the window waits.
"""

from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_segany.plugin.jobs import preloading
from napari_segany.plugin.jobs.qt_queue import QtJobQueue
from napari_segany.plugin.shared import canvas_room
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
    once, and gets it. For the menu the content is made in one turn of the event loop, and shown in
    the next one.

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
        self._content: QWidget | None = None
        self._is_joined = False
        self._jobs = QtJobQueue(self)
        self.line = QLabel("Loading …")
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

    def finish(self) -> QWidget:
        """Put the content in the dock now, however far it is, and return it."""
        content = self._content or self.make_content(self._viewer)
        dock = canvas_room.dock_of(self)
        if dock is None:
            # The panel was closed after the content was made.
            content.close()
        else:
            # Modules that were imported before are there sooner than the window shows the dock.
            self._join()
            dock.setWidget(content)
            self._connect_layers(content)
        self._end()
        return content

    def _on_loaded(self, _: Any) -> None:
        # The panel may have been closed meanwhile.
        if canvas_room.dock_of(self) is None:
            self._end()
        else:
            self._content = self.make_content(self._viewer)
            self._jobs.call_later("show", self.finish)
        preloading.begin()

    def _on_failed(self, error: Exception) -> None:
        self._progress.finish()
        self.line.setText(f"{self.name} could not be loaded. {error}")

    def _connect_layers(self, content: Any) -> None:
        """Have the content update its choices of layers, as napari does for docks of its own."""
        if hasattr(content, "reset_choices"):
            for name in LAYER_EVENTS:
                getattr(self._viewer.layers.events, name).connect(content.reset_choices)

    def _end(self) -> None:
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


def open_dock(viewer: Any, name: str) -> Any:
    """Open a dock of this plugin, or find the open one, and return its content.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    name : str
        Name of the dock in the menu.
    """
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", name, tabify=True)
    return widget.finish() if isinstance(widget, LoadingDock) else widget
