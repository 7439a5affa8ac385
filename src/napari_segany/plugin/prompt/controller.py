"""Controller of the Prompt dock: one session on an image in a viewer, and all actions on it.

The controller needs no Qt and works on a ``ViewerModel``. Every action is a method that a button or
a script calls.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import Plane
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.prompt import saved_sessions
from napari_segany.plugin.prompt.bulk_steps import NewObject
from napari_segany.plugin.prompt.commits import Commits
from napari_segany.plugin.prompt.layer_features import NEGATIVE, POSITIVE
from napari_segany.plugin.prompt.layer_reader import LayerReader
from napari_segany.plugin.prompt.object_actions import ObjectActions
from napari_segany.plugin.prompt.object_scale import is_large, size_of_selection
from napari_segany.plugin.prompt.session_host import SessionHost
from napari_segany.plugin.prompt.tools import TOOLS, Tool
from napari_segany.plugin.shared.choices import Choice
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.session import Session
from napari_segany.session.journal import Journal, OpenJournal, SavedSession
from napari_segany.session.replay import provenance
from napari_segany.session.state import SegmentedObject


class PromptController(PendingModel):
    """Actions on a session whose image, prompts and labels are layers of a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    jobs : JobQueue
        Queue of embedding and inference.
    journals : Path, optional
        Folder for journals of sessions; without it nothing is recorded.
    open_journal : callable
        Opens a journal in a folder; see :meth:`Session.begin_journal`.

    Attributes
    ----------
    possible : Signal
        Emitted when refused actions are possible again, because a plane is in view.
    where : Signal
        Emitted with a line about the plane in view; empty without an image.
    offered : Signal
        Emitted with the choices that go with the latest message.
    changed : Signal
        Emitted when objects, candidates or the image have changed.
    host : SessionHost
        Host of the session.
    sync : LayerSync
        Synchronization of the session and the layers.
    objects : ObjectActions
        Actions on single objects.
    min_predicted_iou, min_stability : float
        Objects whose chosen candidate has lower scores are not committed.
    """

    offered = Signal(tuple)

    def __init__(
        self,
        viewer: Any,
        jobs: JobQueue,
        journals: Path | None = None,
        open_journal: OpenJournal = Journal,
    ) -> None:
        super().__init__()
        self.viewer, self.jobs = viewer, jobs
        self.min_predicted_iou = self.min_stability = 0.0
        self.host = SessionHost(viewer, jobs, journals, open_journal, self.status.emit)
        self.sync = self.host.sync
        self.possible, self.where = self.host.possible, self.host.where
        self.changed = self.host.changed
        self.host.stopped.connect(self.give_up)
        self.objects = ObjectActions(self.host, self._tell, self.undo)
        self._commits = Commits(self.host, self._tell, self.objects.undo_choice)

    def _tell(self, text: str, choices: tuple[Choice, ...] = (), severity: str = "info") -> None:
        self.status.emit(text, severity)
        self.offered.emit(choices)

    # Present state --------------------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The session on the image, None without an image."""
        return self.sync.session

    @property
    def view(self) -> LayerView | None:
        """The image of the session, None without an image."""
        return self.sync.view

    @property
    def image(self) -> Any:
        """The image layer of the session, None without an image."""
        return None if self.view is None else self.view.layer

    @property
    def labels(self) -> Any:
        """The labels layer that objects are committed into, None before the first commit."""
        return self.sync.labels.layer

    @property
    def plane(self) -> Plane | None:
        """The plane in view, None if the view shows no plane of the image."""
        return self.sync.plane

    @property
    def points(self) -> Any:
        """The points layer for prompts, None without one."""
        prompts = self.host.gradual.all_added()
        return None if prompts is None else prompts.points

    @property
    def shapes(self) -> Any:
        """The shapes layer for prompts, None without one."""
        prompts = self.host.gradual.all_added()
        return None if prompts is None else prompts.shapes

    @property
    def preview_layer(self) -> Any:
        """The layer that shows the chosen candidates of open objects, None without one."""
        prompts = self.host.gradual.all_added()
        preview = None if prompts is None else prompts.preview
        return None if preview is None else preview.layer

    def open_image(
        self, image: Any, channels: Sequence[int] | None = None, others: Sequence[Any] = ()
    ) -> Session:
        """Begin a session on an image layer or channels of it, or go on with the one there."""
        return self.host.open_view(LayerView(image, channels, others))

    def close_session(self) -> None:
        """End the session; prompt layers and preview leave the viewer, labels stay."""
        self.host.close_session()

    def end(self) -> None:
        """End the session and release the viewer."""
        self.close_session()
        self.host.parked.end()
        self.sync.disconnect()

    def stop(self) -> None:
        """Cancel all jobs, and the remaining chunks of a step."""
        self.host.stop()

    def finish(self) -> None:
        """Do the remaining chunks of a step now."""
        self.host.steps.finish()

    def _follow_model(self) -> None:
        self.host.set_model(self.model)

    # Prompts --------------------------------------------------------------------------------

    @property
    def sees_crops(self) -> bool:
        """True if the plane in view is so large that the model sees crops of it."""
        session, plane = self.session, self.plane
        return session is not None and plane is not None and is_large(session, plane)

    def set_object_size(self, size: float | None) -> None:
        """Set the size in pixels of objects on large planes; None for as large as is zoomed.

        The active object is segmented again.
        """
        self.sync.scale.size = size
        session = self.session
        active = None if session is None else session.active
        if session is None or active is None or self.plane is None:
            return
        wanted = self.sync.scale.of(session, self.view, active.plane)
        if wanted is not None and active.prompt.object_size != wanted:
            session.set_prompt(active.prompt.changed(object_size=wanted), active.plane)

    def take_object_size(self) -> float:
        """Use the size of the selected shape, of the active object, or of the last commit."""
        size = size_of_selection(self.sync.open_session(), self.shapes)
        self.set_object_size(size)
        return size

    def flip_sign(self) -> str:
        """Change the sign of the next point or scribble; other tools become the points."""
        layers = self.sync.ensure_layers()
        if layers.tool is None or not layers.tool.has_sign:
            self.select_tool(TOOLS[0])
        else:
            self.set_sign(NEGATIVE if layers.sign == POSITIVE else POSITIVE)
        return layers.sign

    def set_sign(self, sign: str) -> None:
        """Set the sign of the next point."""
        layers = self.sync.ensure_layers()
        layers.set_sign(sign)
        self.status.emit(layers.next_prompt)

    @property
    def tool(self) -> Tool | None:
        """The tool that draws the next prompt; None if no prompt layer is drawn in."""
        return None if self.sync.prompts is None else self.sync.prompts.tool

    def select_tool(self, tool: Tool) -> None:
        """Select a tool."""
        layers = self.sync.ensure_layers()
        with self.sync.muted():
            # In another mode a half-drawn shape would become one that nobody drew.
            layers.drop_half_drawn()
        layers.select_tool(tool)
        self.status.emit(layers.next_prompt)

    def toggle_preview(self) -> bool:
        """Hide or show the preview; return True if it is visible."""
        self.sync.ensure_layers()
        self.preview_layer.visible = not self.preview_layer.visible
        return bool(self.preview_layer.visible)

    def make_reader(self) -> LayerReader:
        """Return a reader of layers for the present session and plane."""
        return self.sync.make_reader()

    def add_prompts(
        self,
        prompts: Sequence[Prompt],
        planes: Sequence[Plane] = (),
        labels: Sequence[int | None] = (),
    ) -> None:
        """Begin an object for each prompt, thousands of them in chunks.

        See :meth:`Session.add_many`; the default plane is the one in view.
        """
        session = self.sync.open_session()
        planes = planes or [session.plane] * len(prompts)
        labels = labels or [None] * len(prompts)
        self.host.steps.add(session, list(zip(prompts, planes, labels, strict=True)))

    def add_later(
        self, find: Callable[[ShouldStop], list[NewObject]], notes: Collection[str] = ()
    ) -> None:
        """Begin objects that are found in another thread.

        Parameters
        ----------
        find : callable
            Returns the objects to begin; called in another thread.
        notes : collection of str
            Remarks that ``find`` may add to; they are shown in the end.
        """
        session = self.sync.open_session()

        def add(found: list[NewObject]) -> None:
            if session is self.session and found:
                self.host.steps.add(session, found)
                many = "objects are" if len(found) > 1 else "object is"
                self.status.emit(" ".join([f"{len(found)} {many} open.", *notes]))
            elif session is self.session:
                self.status.emit(" ".join(["There is no object there.", *notes]))

        self.jobs.submit("find", Priority.REQUEST, find, add, self.host.refuse)

    def go_to(self, number: int) -> None:
        """Show an object, large and outlined; make it the active one if it is open."""
        self.objects.go_to(number)

    def embed(self, plane: Plane) -> None:
        """Embed a plane, now or when there is a model."""
        self._with_session(lambda session: self.host.scheduler.embed(session, plane))

    def segment(self) -> None:
        """Compute candidates of all open objects, now or when there is a model."""
        self._with_session(self.host.scheduler.segment)

    def _with_session(self, act: Callable[[Session], object]) -> None:
        session = self.sync.open_session()

        def run(_: PromptableModel) -> None:
            if session is self.session:
                act(session)

        self.with_model(run)

    # Candidates, commits, history -----------------------------------------------------------

    def next_candidate(self, step: int = 1) -> int | None:
        """Choose the next candidate of the active object; return its number, 0 for the best."""
        return self.sync.open_session().next_candidate(step)

    def commit(self) -> list[int]:
        """Write all open objects that have candidates into the labels.

        Objects with lower scores than the bounds stay open. Thousands of objects are written in
        chunks; they are one step to undo. The labels of the first chunk are returned.
        """
        self.finish()
        session, ready = self.sync.open_session(), [each.id for each in self.ready_parts]
        failed = {each.id for each in self.host.through.without_mask}
        good = [n for n in ready if n in failed or self._is_good(session, n)]
        if ready and not good:
            raise InputError("No object has scores as high as asked for; nothing is committed.")
        if not good:
            raise InputError("There is nothing to commit yet: click on an object first.")
        return self._commits.write(good, len(ready) - len(good))

    @property
    def ready_parts(self) -> list[SegmentedObject]:
        """Open objects whose candidates are known, one for each prompted plane."""
        session = self.session
        left = [] if session is None else session.state.open
        return [each for each in left if session and session.candidates(each.id) is not None]

    def _is_good(self, session: Session, number: int) -> bool:
        mask = session.preview(number)
        if mask is None or not len(mask):
            return True
        iou, stability = mask.predicted_iou[0], mask.stability_score[0]
        return bool(iou >= self.min_predicted_iou and stability >= self.min_stability)

    def commit_into(self, layer: Any) -> Any:
        """Commit into a labels layer of the image's shape from now on; None makes a new one.

        Objects committed into another layer before stay there and leave the session.
        """
        self.finish()
        self.sync.open_session()
        if layer is not None and layer is self.labels:
            return layer
        return self.sync.set_labels(layer)

    def reopen(self, label: int) -> None:
        """Open a committed object again, with its prompts."""
        session = self.sync.open_session()
        each = session.by_label(label)
        if each is None:
            raise InputError(f"Label {label} was not made in this session.")
        session.reopen(each.id)

    def clear(self) -> None:
        """Delete all open objects."""
        self.objects.clear()

    def undo(self) -> bool:
        """Undo the last step; return False if there was none.

        Remaining chunks of a step are done before, so that all of it is undone.
        """
        self.finish()
        session = self.sync.open_session()
        return self.host.steps.travel(session, session.undo)

    def redo(self) -> bool:
        """Redo the step that was undone last; return False if there was none."""
        self.finish()
        session = self.sync.open_session()
        return self.host.steps.travel(session, session.redo)

    # Saved sessions -------------------------------------------------------------------------

    @property
    def saved_sessions(self) -> list[SavedSession]:
        """Earlier sessions on this image, the latest first; known soon after it is opened."""
        return list(self.host.journals.saved)

    def restore(self, saved: SavedSession) -> None:
        """Restore an earlier session; see :func:`saved_sessions.restore`."""
        saved_sessions.restore(self.host, saved, self._tell)

    def provenance(self) -> dict[str, Any]:
        """Return the provenance of the labels; see :func:`napari_segany.session.provenance`."""
        return provenance(self.sync.open_session())

    def replay(self, kept: Any) -> None:
        """Compute the labels of a saved session in a new layer; ``kept`` is its record."""
        saved_sessions.replay_later(self, self.host, kept)
