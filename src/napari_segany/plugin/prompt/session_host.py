"""Host of the session on an image: its layers, its journal, and its work in the background."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_segany.errors import InputError
from napari_segany.models.embedding_cache import DEFAULT_BYTES, EmbeddingCache
from napari_segany.models.model_wrapper import keep_prepared
from napari_segany.models.multi_view import with_views
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.prompt.bulk_steps import BulkSteps
from napari_segany.plugin.prompt.gradual_layers import GradualLayers
from napari_segany.plugin.prompt.journal_store import JournalStore
from napari_segany.plugin.prompt.labels_layer import LabelsLayer
from napari_segany.plugin.prompt.layer_sync import LayerSync
from napari_segany.plugin.prompt.parked_sessions import ParkedSession, ParkedSessions
from napari_segany.plugin.prompt.scheduler import Scheduler
from napari_segany.plugin.prompt.through_planes import ThroughPlanes
from napari_segany.session import Session
from napari_segany.session.active import remember
from napari_segany.session.journal import OpenJournal, SavedSession
from napari_segany.session.labels_target import NoTarget
from napari_segany.session.state import State


class SessionHost:
    """Opens, runs and closes sessions on image layers, one at a time.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    jobs : JobQueue
        Queue of embedding and inference.
    journals : Path or None
        Folder for journals of sessions; without it nothing is recorded.
    open_journal : callable
        Opens a journal in a folder; see :meth:`Session.begin_journal`.
    report : callable
        Called with a message and its severity.

    Attributes
    ----------
    possible : Signal
        Emitted when refused actions are possible again, because a plane is in view.
    where : Signal
        Emitted with a line about the plane in view; empty without an image.
    changed : Signal
        Emitted when objects, candidates or the image have changed.
    stopped : Signal
        Emitted when all work was cancelled.
    sync : LayerSync
        Synchronization of the session and the layers.
    gradual : GradualLayers
        Adds the layers of an image in turns.
    steps : BulkSteps
        Steps of the session that are done in chunks.
    journals : JournalStore
        Journals of the present session and of earlier ones.
    scheduler : Scheduler
        Scheduler of embedding and inference.
    through : ThroughPlanes
        The objects that are followed through planes.
    parked : ParkedSessions
        Sessions on other images.
    model : PromptableModel or None
        The model; see :meth:`set_model` and :meth:`set_views`.
    live : bool
        Compute candidates after every change of prompts.
    embeddings_bytes : int
        Memory limit for the embeddings of the next image.
    """

    possible = Signal()
    where = Signal(str)
    changed = Signal()
    stopped = Signal()

    def __init__(
        self,
        viewer: Any,
        jobs: JobQueue,
        journals: Path | None,
        open_journal: OpenJournal,
        report: Callable[[str, str], object],
    ) -> None:
        self.jobs, self.live = jobs, True
        self.parked = ParkedSessions(viewer)
        self.model: PromptableModel | None = None
        self._given: PromptableModel | None = None
        self._views = 1
        self.embeddings_bytes = DEFAULT_BYTES
        self._report = report
        self.sync = LayerSync(viewer, jobs, self.refuse)
        self.gradual = GradualLayers(self.sync, jobs)
        self.sync.plane_changed.connect(self._on_plane)
        self.sync.image_removed.connect(self._on_image_removed)
        self.scheduler = Scheduler(
            jobs, self.where.emit, self.refuse, lambda: (self.sync.session, self.sync.plane)
        )
        self.journals = JournalStore(jobs, journals, self.changed.emit, self.refuse, open_journal)

        def tell(text: str) -> None:
            report(text, "info")

        self.through = ThroughPlanes(jobs, self.sync, self.refuse, tell)
        self.through.changed.connect(self._on_through_planes)
        self.sync.continue_prompts = self.through.continue_prompts
        self.sync.propagated = self.through.propagated
        # With thousands of objects, each of these takes as long as a turn may.
        ends = self.sync.show_preview, self._update
        self.steps = BulkSteps(
            jobs, lambda session: session is self.sync.session, ends, self.refuse
        )

    def set_model(self, model: PromptableModel | None) -> None:
        """Use another model, or none."""
        self._see_in_views(model, self._views)

    @property
    def views(self) -> int:
        """Views in which the model sees each plane."""
        return self._views

    def set_views(self, views: int) -> None:
        """Show each plane to the model in so many views, 1 to 4; open objects are asked again."""
        self._see_in_views(self._given, views)

    def _see_in_views(self, model: PromptableModel | None, views: int) -> None:
        if model is not self._given or views != self._views:
            self._given, self._views = model, views
            self.model = None if model is None else with_views(model, views)
            if model is not None and views == 1:
                # Several views let it keep more.
                keep_prepared(model, views)
        if self.sync.session is not None:
            self.sync.session.model = self.model
        self._schedule()

    def refuse(self, error: Exception) -> None:
        """Report an error."""
        self._report(describe_error(error), "error")

    # Life cycle -----------------------------------------------------------------------------

    def open_view(self, view: LayerView) -> Session:
        """Begin a session on an image, or go on with the one that was parked there.

        The session before is parked, and comes back with its image; its labels stay. If only the
        limits of the image change, open objects go on with the same layers.
        """
        session, before = self.sync.session, self.sync.view
        if session is not None and before is not None:
            if view.same_as(before):
                return session
            if view.with_limits(before.limits).same_as(before):
                return self._embed_again(view)
        source = view.source()
        self.park_session()
        if (parked := self.parked.take(view)) is not None and self._is_usable(parked):
            return self._resume(parked)
        embeddings = EmbeddingCache(self.embeddings_bytes)
        session = Session(source, self.model, NoTarget(), cache=embeddings)
        self._connect(session)
        self._bind(session, view)
        self.journals.begin(session, view.likeness)
        self.changed.emit()
        return session

    def _bind(self, session: Session, view: LayerView, labels: LabelsLayer | None = None) -> None:
        for layer in view.layers:
            layer.events.data.connect(self._on_pixels)
        self.sync.bind(session, view, labels)

    def park_session(self) -> None:
        """End the work on the present image; a session with any step comes back with it."""
        session, view = self.sync.session, self.sync.view
        if session is None or view is None:
            return
        self.steps.finish()
        journal = self.journals.path
        labels = self.sync.release_labels()
        self.close_session()
        if session.is_begun:
            self.parked.park(ParkedSession(session, view, labels, journal))

    def _is_usable(self, parked: ParkedSession) -> bool:
        """Return True if a parked session is on an image of the present shape."""
        source = parked.view.source()
        if parked.is_outdated and source.shape == parked.session.source.shape:
            parked.session.forget_image(source)
        return source.shape == parked.session.source.shape

    def _resume(self, parked: ParkedSession) -> Session:
        """Go on with a session, with its objects, its labels and its steps to undo."""
        session, view = parked.session, parked.view
        session.model = self.model
        remember(session)
        self._bind(session, view, parked.labels)
        self.journals.begin(session, view.likeness, parked.journal)
        self.sync.check_labels()
        self._update()
        return session

    def _embed_again(self, view: LayerView) -> Session:
        """Go on with open objects and labels on the same image, seen with other limits."""
        self.steps.finish()
        before, labels = self.sync.open_session(), self.sync.labels.layer
        opened = {each.id: each for each in before.state.open}
        session = self.restart_session(view)
        if labels is not None:
            self.sync.set_labels(labels)
        if opened:
            session.restore(SavedSession.of(session.source, opened))
        return session

    def restart_session(self, view: LayerView | None = None) -> Session:
        """End the session and begin another one on the same image, with the same layers.

        Parameters
        ----------
        view : LayerView, optional
            The image, if it is seen with other limits.
        """
        before, same = self.sync.open_session(), self.sync.view
        assert same is not None
        self.stop()
        before.close()
        source, embeddings = before.source, before.embeddings
        if view is not None:
            source, embeddings = view.source(), EmbeddingCache(self.embeddings_bytes)
        view = self.sync.view = view or same
        session = Session(source, before.model, NoTarget(), cache=embeddings)
        session.plane, session.on_overlap = before.plane, before.on_overlap
        self._connect(session)
        self.sync.replace_session(session)
        self.journals.begin(session, view.likeness)
        self.sync.show_preview()
        self._update()
        return session

    def prepare_restore(self, saved: SavedSession) -> tuple[Session, LayerView]:
        """Return a session without steps, for a saved one, and the image as that one saw it.

        Raises
        ------
        InputError
            If the image has another shape, or the present session would be lost because it is not
            recorded; nothing has changed then.
        """
        session, view = self.sync.open_session(), self.sync.view
        assert view is not None
        saved.check_shape(session.source.shape)
        if session.is_begun and not self.journals.is_recording:
            raise InputError(
                "The present session is not written down, so it would be lost. Commit its "
                "objects, close the panel, and restore in a new one."
            )
        if saved.limits != view.limits:
            # Candidates follow from prompts only with the intensities that the model saw.
            view = view.with_limits(saved.limits)
            return self.restart_session(view), view
        return (self.restart_session() if session.is_begun else session), view

    def _connect(self, session: Session) -> None:
        session.changed.connect(self._on_session)
        session.answered.connect(self._on_candidates)
        session.trouble.connect(self._on_trouble)
        remember(session)

    def close_session(self) -> None:
        """End the session; prompt layers and preview leave the viewer, labels stay.

        A step that is done in chunks is finished before, so that no object is lost.
        """
        self.steps.finish()
        self.stop()
        if self.sync.session is not None:
            self.sync.session.close()
        for layer in () if self.sync.view is None else self.sync.view.layers:
            layer.events.data.disconnect(self._on_pixels)
        self.sync.unbind()
        self.through.forget()
        self.journals.end()
        self.where.emit("")
        self.changed.emit()

    def stop(self) -> None:
        """Cancel all jobs, and the remaining chunks of a step."""
        self.jobs.cancel()
        self.stopped.emit()
        self.scheduler.forget()
        self.steps.cancel()
        self.through.on_stopped()

    # Events ---------------------------------------------------------------------------------

    def _on_plane(self, appeared: bool) -> None:
        plane = self.sync.plane
        if plane is None:
            self.where.emit(self.sync.plane_error)
            return
        if appeared:
            self.possible.emit()
        self.where.emit(self.scheduler.describe(self.sync.open_session(), plane))
        self._schedule()

    def _on_image_removed(self, layer: Any) -> None:
        self.close_session()
        self.refuse(InputError(f"{layer.name} is gone, so its session ended; choose an image."))

    def _on_pixels(self, event: Any = None) -> None:
        session, view = self.sync.session, self.sync.view
        if session is None or view is None:
            return
        again = view.with_limits(view.limits)
        source = again.source()
        if source.shape != session.source.shape:
            self.close_session()
            self.open_view(again)
            return
        session.forget_image(source)
        self.journals.identify()
        self._schedule()

    def _on_session(self, before: State, after: State) -> None:
        if after is not before:
            self.journals.on_step()
        if self.steps.running:
            # The rest is updated after the last chunk.
            self.sync.show_preview_later()
            self.sync.labels.record_provenance(self.sync.open_session())
        else:
            self.sync.show_preview()
            self._update()

    def _on_candidates(self, numbers: tuple[int, ...]) -> None:
        self.through.follow_prompts(self.live)
        self.sync.show_preview()
        self.changed.emit()

    def _on_through_planes(self) -> None:
        self.through.follow_prompts(self.live)
        self.sync.show_preview()
        self.changed.emit()

    def _on_trouble(self, text: str) -> None:
        self._report(text, "warning")

    def _update(self) -> None:
        """Make layers, jobs and observers follow the session's state."""
        if self.sync.session is not None:
            self.sync.update_layers()
            self._schedule()
            self.through.follow_prompts(self.live)
            self.changed.emit()

    def _schedule(self) -> None:
        """Schedule the embedding of the plane in view, and inference for open objects."""
        session, plane = self.sync.session, self.sync.plane
        if session is not None and self.model is not None:
            self.scheduler.schedule(session, plane, self.live)
        elif session is not None and plane is not None:
            self.where.emit(self.scheduler.describe(session, plane))
