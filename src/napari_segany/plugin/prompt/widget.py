"""Prompt dock: click, see candidates, choose, commit, undo."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtWidgets import QFileDialog

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.io.detections import TableOptions
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.prompt import export_code, import_prompts
from napari_segany.plugin.prompt.connections import connect_form
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.prompt.form import PromptForm
from napari_segany.plugin.prompt.keys import KEYS
from napari_segany.plugin.prompt.layer_follower import LayerFollower
from napari_segany.plugin.prompt.through_panel import ThroughPanel
from napari_segany.plugin.prompt.tools import tool_named
from napari_segany.plugin.shared.close_events import (
    ask_to_commit,
    back_message,
    kept_message,
    tell_what_is_left,
)
from napari_segany.plugin.shared.image_dock import ImageDock
from napari_segany.plugin.shared.plane_pictures import PlanePictures
from napari_segany.plugin.shared.settings import journals_folder
from napari_segany.plugin.shared.task_status import TaskStatus
from napari_segany.session.journal import SavedSession
from napari_segany.session.session import Session
from napari_segany.session.session_file import read_session
from napari_segany.session.state import State

if TYPE_CHECKING:
    import napari.viewer

SESSION_FILES = "Sessions (*.json)"
TABLE_FILES = (
    "Tables (*.csv *.tsv *.txt *.xls *.json *.geojson *.zip *.roi *.CSV *.TXT);;All files (*)"
)

NO_IMAGE = "Choose an image above."
NO_OBJECT = "Click on an object in the image. Its mask appears there, other candidates here."


class PromptWidget(ImageDock):
    """Segment objects by clicks, boxes, outlines and scribbles.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Attributes
    ----------
    asks_on_close : bool
        Ask about open objects before the panel is closed.
    controller : PromptController
        The controller, which needs no window.
    form : PromptForm
        The controls.
    through_panel : ThroughPanel
        Controls for following an object through the planes of a stack.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
    >>> widget.image_layer = viewer.layers["cells"]
    >>> widget.session.add_point(120, 88)
    >>> widget.segment(wait=True)
    >>> widget.commit()
    """

    def __init__(self, viewer: "napari.viewer.Viewer", at_once: bool = True) -> None:
        super().__init__(viewer)
        self._making = self._make()
        if at_once:
            deque(self._making, 0)

    def _make(self) -> Iterator[None]:
        """Make the dock; yield after each part."""
        self.asks_on_close = True
        self._is_settled = False
        self.controller = PromptController(self.viewer, self.jobs, journals_folder())
        self.controller.host.embeddings_bytes = int(self.preferences.embeddings_gb * 2**30)
        self._shown: State | None = None
        self._saved_as: Path | None = None
        self._task_status = TaskStatus(getattr(self.viewer, "window", None))
        through = self.controller.host.through
        self.through_panel = ThroughPanel(through, self.message, self.through_planes)
        self.through_panel.reported.connect(self.progress.show_progress)
        yield
        rows, through_section = self.setup_rows, self.through_panel.section
        self.form = PromptForm(rows, self.progress, self.message, through_section)
        yield
        self.lay_out([self.form])
        yield
        self.connect_model(self.controller)
        connect_form(self)
        self.controller.possible.connect(self.message.clear_error)
        self.controller.offered.connect(self.message.offer)
        self.controller.where.connect(lambda text: self.form.plane_line.setText(text))
        self.controller.changed.connect(self._refresh)
        acts = {key: self.guarded(getattr(self, name)) for key, name in KEYS.items()}
        self._pictures = PlanePictures(self.jobs, self.form.candidates.show_pictures)
        self._follower = LayerFollower(self.controller, self.form.tools.show_tool, acts)
        self.reset_choices()
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The session on the chosen image."""
        return self.controller.session

    @property
    def image_view(self) -> LayerView | None:
        """The image of the session with its channels, None without an image."""
        return self.controller.view

    def _labels_layer(self) -> Any:
        return self.controller.labels

    def _open_view(self, view: LayerView) -> Session:
        left, before = self._count_open(False), self.controller.view
        session = self.controller.host.open_view(view)
        # With other limits of the same image, open objects just go on.
        if before is None or not view.with_limits(before.limits).same_as(before):
            kept = kept_message(left, "" if before is None else before.name)
            self.say(" ".join([kept, back_message(len(session.state.open))]).strip())
        session.on_overlap = self.form.overlap_choice.currentData()
        return session

    def choose_image(self, layer: Any, **how: Any) -> None:
        """Open an image that a person chose; its prompt layers are added in turns."""
        with self.controller.host.gradual.active():
            super().choose_image(layer, **how)

    def embed(self, wait: bool = False) -> bool:
        """Embed the plane in view, as soon as there is a model; return True if it is embedded."""
        session, plane = self.session, self.controller.plane
        if session is None or plane is None:
            raise InputError("Choose an image, and a plane of it to look at.")
        self.run_when_ready(lambda: self.controller.embed(plane), wait)
        return session.is_embedded(plane)

    def segment(self, wait: bool = False) -> MaskSet | None:
        """Segment all open objects; return the candidates of the active one if they are known."""
        self.run_when_ready(self.controller.segment, wait)
        return None if self.session is None else self.session.candidates()

    def next_candidate(self) -> int | None:
        """Choose the next candidate; return its number, 0 for the best."""
        return self.controller.next_candidate(1)

    def previous_candidate(self) -> int | None:
        """Choose the previous candidate; return its number, 0 for the best."""
        return self.controller.next_candidate(-1)

    def commit(self, wait: bool = False) -> Any:
        """Write segmented objects into the labels, with ``wait`` at once; return their layer."""
        self.message.dismiss()
        self.controller.commit()
        if wait:
            self.jobs.wait()
        self.form.labels_choice.choose(self.controller.labels)
        return self.controller.labels

    def clear(self) -> None:
        """Delete the open objects."""
        self.controller.clear()

    def undo(self) -> bool:
        """Undo the last step; return False if there was none."""
        return self.controller.undo()

    def redo(self) -> bool:
        """Redo the step that was undone last; return False if there was none."""
        return self.controller.redo()

    def reopen(self, label: int) -> None:
        """Open a committed object again, with its prompts."""
        self.controller.reopen(label)

    def reopen_clicked(self) -> None:
        """Open the committed object again that was clicked on last, in place of a new one."""
        self.controller.objects.reopen_clicked()

    def select_tool(self, name: str) -> None:
        """Select a tool by its name, such as "box"; see :data:`plugin.prompt.tools.TOOLS`."""
        self.controller.select_tool(tool_named(name))

    def flip_sign(self) -> str:
        """Change the sign of the next point, and return it; other tools become the points."""
        return self.controller.flip_sign()

    def toggle_preview(self) -> bool:
        """Hide or show the preview; return True if it is visible."""
        return self.controller.toggle_preview()

    def through_planes(self, wait: bool = False) -> None:
        """Follow the active object from its prompted planes through all others."""
        self.run_when_ready(self.controller.host.through.start, wait)

    def toggle_absent(self) -> bool:
        """Say that the followed object is not on the plane in view; return False if it may be."""
        return self.controller.host.through.toggle_absent()

    def next_doubtful(self) -> int:
        """Show the next plane that deserves a look, the least sure first; return its number."""
        return self.controller.host.through.next_doubtful()

    def take_labels(
        self,
        layer: Any,
        how: Literal["mask", "box"] = "mask",
        every_plane: bool = False,
        wait: bool = False,
    ) -> int:
        """Segment every object of a labels layer by its mask or box; return the open objects."""
        import_prompts.import_labels(self.controller, layer, how, every_plane)
        return self._count_open(wait)

    def take_layer(self, layer: Any, wait: bool = False) -> int:
        """Segment the objects that points or shapes of a layer mark; return the open objects."""
        import_prompts.import_layer(self.controller, layer)
        return self._count_open(wait)

    def take_table(
        self,
        path: str | Path | None = None,
        wait: bool = False,
        choices: TableOptions | None = None,
    ) -> int:
        """Segment the objects that boxes or points of a file mark; return the open objects.

        Without a path a file dialog is shown. ``choices`` say how to read the file, by default as
        the controls do.
        """
        if path is None:
            path, _ = QFileDialog.getOpenFileName(self, "Boxes or points", "", TABLE_FILES)
        if path:
            panel = self.form.imports
            panel.show_table()
            found = import_prompts.import_table(self.controller, path, choices or panel.choices)
            lines = [f"{Path(path).name}: {found.understood}.", *found.remarks()]
            panel.show_table(lines)
            self.say(" ".join(lines))
        return self._count_open(wait)

    def save_session(self, path: str | Path | None = None) -> Path | None:
        """Save the provenance of the labels; without a path a file dialog is shown."""
        kept = self.controller.provenance()
        if path is None:
            path, _ = QFileDialog.getSaveFileName(self, "Save", "session.json", SESSION_FILES)
        if not path:
            return None
        self._saved_as = export_code.save(kept, Path(path))
        self.say(f"Saved as {self._saved_as}.")
        return self._saved_as

    def replay(self, path: str | Path | None = None, wait: bool = False) -> Any:
        """Compute the labels of a saved session on this image, in a layer of their own."""
        if path is None:
            path, _ = QFileDialog.getOpenFileName(self, "Replay", "", SESSION_FILES)
        if not path:
            return None
        kept = read_session(Path(path))
        self.run_when_ready(lambda: self.controller.replay(kept), wait)
        return self.viewer.layers[-1] if wait else None

    def as_python(self) -> str:
        """Return a script that computes the same labels."""
        return export_code.as_python(self.controller.provenance(), self.controller.image)

    def as_command(self) -> str:
        """Return a command that computes the same labels, once the session is saved."""
        return export_code.as_command(self._saved_as, self.controller.image)

    def restore(self, saved: SavedSession | None = None) -> None:
        """Restore an earlier session on this image, the latest by default."""
        saved = saved or next(iter(self.controller.saved_sessions), None)
        if saved is None:
            raise InputError("There is no earlier session on this image.")
        self.controller.restore(saved)
        self.form.show_restored(self.controller.labels, self.controller.host.views)

    def stop(self) -> None:
        """Cancel all work, downloads included."""
        self.controller.stop()
        self.picker.stopped()
        self.say("Stopped.")

    def reset_choices(self, event: Any = None) -> None:
        """Update the choices of layers; napari calls this method when its layers change."""
        super().reset_choices(event)
        layers = list(self.viewer.layers)
        self.form.labels_choice.fill(layers)
        self.form.labels_choice.choose(self.controller.labels)
        self.form.imports.fill(layers)

    # Closing --------------------------------------------------------------------------------

    def _release(self) -> None:
        self._task_status.set(0)
        self._follower.end()
        self.controller.end()
        super()._release()

    def _may_close(self) -> bool:
        if not self.settle_open():
            return False
        self._is_settled = True
        return True

    def _on_panel_closed(self) -> None:
        # A script may close the panel without its button; then there is nothing to cancel.
        if not self._is_settled:
            self.settle_open()
        super()._on_panel_closed()

    def settle_open(self) -> bool:
        """Ask, before the session ends, whether to commit its open objects; False to cancel.

        Objects that stay open then are named in the viewer.
        """
        self.controller.finish()
        count = self._count_open(False)
        if not count or self._ended or not self.asks_on_close:
            return True
        answer = ask_to_commit(count)
        if answer:
            self.guarded(self.commit)()
            # All objects now: there is no later turn for the rest.
            self.controller.finish()
            if left := self._count_open(False):
                tell_what_is_left(left)
        return answer is not None

    def _count_open(self, wait: bool) -> int:
        if wait:
            self.jobs.wait()
        return 0 if self.session is None else len(self.session.state.open)

    # Controls -------------------------------------------------------------------------------

    def on_labels_chosen(self) -> None:
        """Commit into the labels that were chosen in the dock."""
        if self.session is not None:
            try:
                self.controller.commit_into(self.form.labels_choice.layer)
            finally:
                self.reset_choices()

    def on_overlap_chosen(self) -> None:
        """Treat pixels of other objects as was chosen in the dock."""
        if self.session is not None:
            self.session.on_overlap = self.form.overlap_choice.currentData()

    def _on_busy(self, busy: bool) -> None:
        self.form.stop_row.setVisible(busy)
        if busy:
            self.progress.show_busy()
        super()._on_busy(busy)

    def _on_model(self, model: PromptableModel | None) -> None:
        super()._on_model(model)
        self._refresh()

    def _refresh(self) -> None:
        session, form = self.session, self.form
        self.through_panel.show_state()
        form.buttons["Undo"].setEnabled(session is not None and session.can_undo)
        form.buttons["Redo"].setEnabled(session is not None and session.can_redo)
        form.objects.model.show_session(session)
        form.show_setup(self.setup_summary)
        left = self._count_open(False)
        form.show_counts(len({each.whole for each in self.controller.ready_parts}), left)
        self._follower.follow()
        self._task_status.set(left + self.controller.host.parked.open_objects)
        candidates = None if session is None else session.candidates()
        chosen = session.active.choice if session is not None and session.active else -1
        hint = NO_IMAGE if session is None else NO_OBJECT
        new, view = form.show_candidates(candidates, chosen, hint), self.image_view
        if new and session and session.active and candidates is not None and view is not None:
            self._pictures.read(session.source, session.active.plane, candidates, view)
        form.restore.show_sessions(self.controller.saved_sessions)
        state = None if session is None else session.state
        if state is not self._shown:
            # A step succeeded, so an error and choices before are outdated.
            self._shown = state
            self.message.clear_error()
            if self.message.severity == "info":
                self.message.say("")
            self.message.offer(())
