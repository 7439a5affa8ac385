"""The Prompt widget: click, see, choose, commit, undo."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtWidgets import QFileDialog

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.io.detections import TableOptions
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.qt_queue import QtJobQueue
from napari_segany.plugin.layers.channel_axis import with_channels_first
from napari_segany.plugin.prompt import export_code, import_prompts
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.prompt.form import PromptForm
from napari_segany.plugin.prompt.handlers import Handlers
from napari_segany.plugin.shared.close_events import CloseEvents, ask_to_commit, tell_what_is_left
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.run_when_ready import RunWhenReady
from napari_segany.plugin.shared.settings import journals_folder, read_settings
from napari_segany.plugin.shared.task_status import TaskStatus
from napari_segany.session.journal import SavedSession
from napari_segany.session.session import Session
from napari_segany.session.session_file import read_session
from napari_segany.session.state import State
from napari_segany.weights import cache

if TYPE_CHECKING:
    import napari.viewer

SESSION_FILES = "Sessions (*.json)"
TABLE_FILES = "Tables (*.csv *.tsv *.txt *.xls *.json *.CSV *.TXT);;All files (*)"


class PromptWidget(PromptForm):
    """Segment objects by clicks, boxes, outlines and scribbles.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Attributes
    ----------
    asks_on_close : bool
        Whether closing the panel, or choosing another image there, with objects that are not
        committed asks what to do with them; scripts turn it off.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
    >>> widget.image_layer = viewer.layers["cells"]
    >>> widget.session.add_point(120, 88)
    >>> widget.segment(wait=True)
    >>> widget.commit()
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        settings = read_settings()
        cache.use_folder(settings.cache_folder)
        jobs = QtJobQueue()
        super().__init__(ModelPicker(jobs, settings))
        self.jobs, self.settings = jobs, settings
        # Two ways of opening a widget give two objects for one viewer.
        self.viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self.asks_on_close = True
        self.controller = PromptController(self.viewer, self.jobs, journals_folder())
        self._beginning = RunWhenReady(self.picker, self.controller, self.jobs, self.message)
        self.controller.embeddings_bytes = int(self.settings.embeddings_gb * 2**30)
        self._shown: State | None = None
        self._saved_as: Path | None = None
        self._closed = False
        window = getattr(self.viewer, "window", None)
        self._unfinished = TaskStatus(window)
        self._closing = CloseEvents(
            self, getattr(window, "_qt_window", None), self._on_panel_closed, self.end
        )
        self._handlers = Handlers(self)
        self.picker.loaded.connect(self._on_model)
        self.picker.released.connect(lambda: self._on_model(None))
        self.jobs.busy_changed.connect(self.busy.setVisible)
        self.controller.status.connect(self.say)
        self.controller.refused.connect(lambda text: self.message.say(text, "error"))
        self.controller.possible.connect(self.message.clear_error)
        self.controller.where.connect(lambda text: self.plane_line.setText(text))
        self.controller.changed.connect(self._refresh)
        self.reset_choices()
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The session on the chosen image."""
        return self.controller.session

    @property
    def image_layer(self) -> Any:
        """The image in work; setting it begins a session on it."""
        return self.controller.image

    @image_layer.setter
    def image_layer(self, layer: Any) -> None:
        self.set_image(layer)

    def set_image(
        self,
        layer: Any,
        channels: Sequence[int] | None = None,
        others: Sequence[Any] = (),
        channel_axis: int = 0,
    ) -> Session:
        """Begin a session on an image, or on channels of it.

        Parameters
        ----------
        layer : napari.layers.Image
            The image.
        channels : sequence of int, optional
            One channel of the layer, or two or three seen as red, green and blue.
        others : sequence of napari.layers.Image
            One or two more layers, seen as green and blue.
        channel_axis : int
            The layer's axis of channels. If it is not the first, a view of the layer that has it
            first is added and shown in its place.
        """
        if channels is not None:
            layer = with_channels_first(self.viewer, layer, channel_axis)
        left = self._count_open(False)
        before = self.controller.picture
        session = self.controller.open(layer, channels, others)
        if left and before is not None and before is not self.controller.picture:
            self.say(
                f"{left} object{'s' if left > 1 else ''} of {before.name} not committed: choose it "
                "again and press Restore to go on with them."
            )
        session.on_overlap = self.overlap_choice.currentData()
        self.image_choice.choose(layer)
        self.reset_choices()
        if self.controller.model is None and not self.picker.loading:
            self.load_model()
        return session

    @property
    def model(self) -> PromptableModel | None:
        """The model in use."""
        return self.controller.model

    @model.setter
    def model(self, model: PromptableModel | None) -> None:
        if model is None:
            self._on_model(None)
        else:
            self.picker.show_model(model)

    def _on_model(self, model: PromptableModel | None) -> None:
        self.controller.model = model
        self._refresh()

    def load_model(self, wait: bool = False) -> PromptableModel | None:
        """Load the chosen model; if its weights are not there yet, say what fetching them means."""
        self.picker.load()
        if wait:
            self.jobs.wait()
        return self.model

    def fetch_model(self, wait: bool = False) -> PromptableModel | None:
        """Fetch the chosen model's weights and load it; "stop" stops that."""
        self.picker.fetch()
        if wait:
            self.jobs.wait()
        return self.model

    def embed(self, wait: bool = False) -> bool:
        """Embed the plane in view, as soon as there is a model; returns whether it is embedded."""
        session, plane = self.session, self.controller.plane
        if session is None or plane is None:
            raise InputError("Choose an image, and a plane of it to look at.")
        self._beginning.begin(lambda: self.controller.embed(plane), wait)
        return session.is_embedded(plane)

    def segment(self, wait: bool = False) -> MaskSet | None:
        """Segment all open objects, as soon as there is a model; the active one's candidates."""
        self._beginning.begin(self.controller.segment, wait)
        return None if self.session is None else self.session.candidates()

    def next_candidate(self) -> int | None:
        """Show the next reading; returns which, 0 for the best."""
        return self.controller.next_candidate(1)

    def previous_candidate(self) -> int | None:
        """Show the previous reading."""
        return self.controller.next_candidate(-1)

    def commit(self, wait: bool = False) -> Any:
        """Write what is segmented into the labels; returns their layer.

        Of very many objects the first are written at once and the others soon; ``wait`` for them.
        """
        self.controller.commit()
        if wait:
            self.jobs.wait()
        self.labels_choice.choose(self.controller.labels)
        return self.controller.labels

    def clear(self) -> None:
        """Give up the open objects."""
        self.controller.clear()

    def undo(self) -> bool:
        """Undo the last step."""
        return self.controller.undo()

    def redo(self) -> bool:
        """Redo what was undone last."""
        return self.controller.redo()

    def reopen(self, label: int) -> None:
        """Take up an object of the labels again, with its prompts."""
        self.controller.reopen(label)

    def flip_sign(self) -> str:
        """The next point is on the object, or off it; returns which."""
        return self.controller.flip_sign()

    def toggle_preview(self) -> bool:
        """Hide or show the preview; returns whether it is seen."""
        return self.controller.toggle_preview()

    def take_labels(
        self,
        layer: Any,
        how: Literal["mask", "box"] = "mask",
        every_plane: bool = False,
        wait: bool = False,
    ) -> int:
        """Ask for every object of a labels layer, with its mask or its box.

        Returns
        -------
        int
            How many objects are open.
        """
        import_prompts.take_labels(self.controller, layer, how, every_plane)
        return self._count_open(wait)

    def take_layer(self, layer: Any, wait: bool = False) -> int:
        """Ask for what a points or shapes layer means; returns how many objects are open."""
        import_prompts.take_layer(self.controller, layer)
        return self._count_open(wait)

    def take_table(
        self,
        path: str | Path | None = None,
        wait: bool = False,
        choices: TableOptions | None = None,
    ) -> int:
        """Ask for the boxes or points of a file; without a path a dialog asks for one.

        Parameters
        ----------
        path : str or Path, optional
            The file.
        wait : bool
            Whether to wait until its objects are segmented.
        choices : TableOptions, optional
            What is not left to the file; by default what the widget says.
        """
        if path is None:
            path, _ = QFileDialog.getOpenFileName(self, "Boxes or points", "", TABLE_FILES)
        if path:
            self.others.show_table("")
            found = import_prompts.take_table(self.controller, path, choices or self.others.choices)
            lines = [f"{Path(path).name}: {found.understood}.", *found.remarks()]
            self.others.show_table("\n".join([*lines, "The choices above override this."]))
            self.say(" ".join(lines))
        return self._count_open(wait)

    def save_session(self, path: str | Path | None = None) -> Path | None:
        """Save how the labels came about; without a path a dialog asks for one."""
        kept = self.controller.provenance()
        if path is None:
            path, _ = QFileDialog.getSaveFileName(self, "Save", "session.json", SESSION_FILES)
        if not path:
            return None
        self._saved_as = export_code.save(kept, Path(path))
        self.say(f"Saved as {self._saved_as}.")
        return self._saved_as

    def replay(self, path: str | Path | None = None, wait: bool = False) -> Any:
        """Compute a saved session's labels on this image, into a layer of their own."""
        if path is None:
            path, _ = QFileDialog.getOpenFileName(self, "Do again", "", SESSION_FILES)
        if not path:
            return None
        kept = read_session(Path(path))
        self._beginning.begin(lambda: self.controller.replay(kept), wait)
        return self.viewer.layers[-1] if wait else None

    def as_python(self) -> str:
        """A script that computes the same labels."""
        return export_code.as_python(self.controller.provenance(), self.controller.image)

    def as_command(self) -> str:
        """A command that computes the same labels, once the session is saved."""
        return export_code.as_command(self._saved_as, self.controller.image)

    def restore(self, story: SavedSession | None = None) -> None:
        """Take up an earlier session on this image, the latest by default."""
        stories = self.controller.stories()
        if not stories:
            raise InputError("There is no earlier session on this image.")
        self.controller.restore(story or stories[0])
        self.labels_choice.choose(self.controller.labels)

    def stop(self) -> None:
        """Stop what is being computed or fetched."""
        self.controller.stop()
        self.picker.stopped()
        self.say("Stopped.")

    def reset_choices(self, event: Any = None) -> None:
        """Read the viewer's layers again; napari calls this when they change."""
        layers = list(self.viewer.layers)
        self.image_choice.fill(layers)
        self.image_choice.choose(self.controller.image)
        self.labels_choice.fill(layers)
        self.labels_choice.choose(self.controller.labels)
        self.others.fill(layers)
        self.channels.fill(layers, self.controller.picture)

    # Closing --------------------------------------------------------------------------------

    def end(self) -> None:
        """End the session; labels stay in the viewer, and all else can be restored."""
        if not self._closed:
            self._closed = True
            self._unfinished.set(0)
            self.controller.end()
            self.jobs.shut_down()

    def closeEvent(self, event: Any) -> None:
        """End the session."""
        self.end()
        super().closeEvent(event)

    def _on_panel_closed(self) -> None:
        if left := self.settle_open():
            tell_what_is_left(left)
        self.end()

    def settle_open(self) -> int:
        """Before a session ends, ask what becomes of its open objects.

        Returns
        -------
        int
            How many could not be committed although that was asked for.
        """
        self.controller.finish()
        count = self._count_open(False)
        if not count or self._closed or not self.asks_on_close or not ask_to_commit(count):
            return 0
        self.guarded(self.commit)()
        # All of them now: there is no later turn for the rest.
        self.controller.finish()
        return self._count_open(False)

    def _count_open(self, wait: bool) -> int:
        if wait:
            self.jobs.wait()
        return 0 if self.session is None else len(self.session.state.open)

    def guarded(self, act: Callable[[], Any]) -> Callable[..., None]:
        """What cannot be done is said in the widget, never in a dialog."""
        return self.message.guarded(act)

    # Showing --------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        self.message.say(text)

    def _refresh(self) -> None:
        session = self.session
        self.buttons["Undo"].setEnabled(session is not None and session.can_undo)
        self.buttons["Redo"].setEnabled(session is not None and session.can_redo)
        self.objects.model.show_session(session)
        self._unfinished.set(0 if session is None else len(session.state.open))
        found = None if session is None else session.candidates()
        chosen = session.active.choice if session is not None and session.active else -1
        self.readings.show_candidates(found, chosen)
        self.stories.show_stories(self.controller.stories())
        state = None if session is None else session.state
        if state is not self._shown:
            # Something was done that could be done.
            self._shown = state
            self.message.clear_error()
