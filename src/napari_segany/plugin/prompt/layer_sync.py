"""A session and the layers of a viewer, each following the other.

The session is what is true; layers are how people change it, and how they see it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_segany.core.image_source import Plane
from napari_segany.errors import InputError
from napari_segany.models.embedding_cache import DEFAULT_BYTES, EmbeddingCache
from napari_segany.plugin.jobs.chunked import ChunkedTasks
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transform_sync import TransformSync
from napari_segany.plugin.layers.transforms import viewed_plane
from napari_segany.plugin.prompt.journal_store import JournalStore
from napari_segany.plugin.prompt.labels_layer import LabelsLayer
from napari_segany.plugin.prompt.layer_reader import LayerReader, Mode
from napari_segany.plugin.prompt.layers import PromptLayers, asked
from napari_segany.plugin.prompt.scheduler import Scheduler
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.session import Session
from napari_segany.session.active import remember
from napari_segany.session.labels_target import NoTarget
from napari_segany.session.state import State


class LayerSync(PendingModel):
    """Wires a session to a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are used.
    jobs : JobQueue
        Where the model runs.
    journals : Path, optional
        Folder for journals of sessions; none are kept by default.

    Attributes
    ----------
    status : Signal
        Emitted with a line about what was done, or why it cannot be.
    refused : Signal
        Emitted with those of them that say why something cannot be done.
    possible : Signal
        Emitted when what was refused can be done again, because a plane is in view.
    where : Signal
        Emitted with a line about the plane in view; empty if there is no image.
    changed : Signal
        Emitted when objects, candidates or the image are other ones.
    prompts_added : Signal
        Emitted with each layer that is added to be prompted with, also when it comes back.
    mode : {"one", "many"}
        Whether points belong to one object, or each positive point begins another.
    live : bool
        Whether candidates are computed without being asked for.
    embeddings_bytes : int
        Memory for embeddings of the next image.
    """

    refused = Signal(str)
    possible = Signal()
    where = Signal(str)
    changed = Signal()
    prompts_added = Signal(object)

    def __init__(self, viewer: Any, jobs: JobQueue, journals: Path | None = None) -> None:
        super().__init__()
        self.viewer, self.jobs = viewer, jobs
        self.mode: Mode = "one"
        self.live = True
        self.session: Session | None = None
        self.picture: LayerView | None = None
        self.results = LabelsLayer(jobs, self._on_labels)
        self.tools: PromptLayers | None = None
        self._plane: Plane | None = None
        self.embeddings_bytes = DEFAULT_BYTES
        self._scheduler = Scheduler(
            jobs, self.where.emit, self._refuse, lambda: (self.session, self._plane)
        )
        self._keeping = JournalStore(jobs, journals, self.changed.emit, self._refuse)
        self._portions = ChunkedTasks(jobs)
        self.placing = TransformSync(self._on_placed)
        self._written: list[tuple[int, Plane, int]] = []
        self._quiet = False
        for name in ("current_step", "order", "ndisplay"):
            getattr(viewer.dims.events, name).connect(self._on_view)
        viewer.layers.events.removed.connect(self._on_removed)

    # Image and model ------------------------------------------------------------------------

    def _follow_model(self) -> None:
        if self.session is not None:
            self.session.model = self.model
        self._go_on()

    @property
    def image(self) -> Any:
        """The image layer in work."""
        return None if self.picture is None else self.picture.layer

    @property
    def labels(self) -> Any:
        """The layer that is committed into."""
        return self.results.layer

    def open(
        self, image: Any, channels: Sequence[int] | None = None, others: Sequence[Any] = ()
    ) -> Session:
        """Begin a session on an image layer; the one before ends, its labels stay.

        Parameters
        ----------
        image : napari.layers.Image
            The image.
        channels, others
            See :class:`LayerView`.
        """
        picture = LayerView(image, channels, others)
        if self.session is not None and picture.same_as(self.picture):
            return self.session
        source = picture.source()
        self.close()
        embeddings = EmbeddingCache(self.embeddings_bytes)
        self._follow(Session(source, self.model, NoTarget(), cache=embeddings))
        self.picture = picture
        for layer in picture.layers:
            layer.events.data.connect(self._on_pixels)
        self.placing.follow(picture)
        self.tools = PromptLayers(self.viewer, picture, self._on_prompts)
        self._complete_tools()
        self._on_view()
        session = self._open_session()
        self._keeping.begin(session, picture.likeness)
        self.changed.emit()
        return session

    def _follow(self, session: Session) -> None:
        self.session = session
        session.changed.connect(self._on_session)
        session.answered.connect(self._on_answer)
        session.trouble.connect(lambda text: self.status.emit(text))
        remember(session)

    def close(self) -> None:
        """End the session; our layers leave the viewer, labels stay.

        What is being begun or committed is done to the end before, so that no part of it is lost.
        """
        self._portions.finish()
        self.stop()
        if self.session is not None:
            self.session.close()
        for layer in () if self.picture is None else self.picture.layers:
            layer.events.data.disconnect(self._on_pixels)
        self.placing.leave()
        self.results.leave()
        if self.tools is not None:
            with self._without_events():
                self.tools.remove()
        self.session = self.picture = self.tools = None
        self._plane = None
        self._keeping.end()
        self.where.emit("")
        self.changed.emit()

    def end(self) -> None:
        """Close, and let go of the viewer."""
        self.close()
        for name in ("current_step", "order", "ndisplay"):
            getattr(self.viewer.dims.events, name).disconnect(self._on_view)
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    @property
    def plane(self) -> Plane | None:
        """The plane in view, None if there is none that prompts can be given in."""
        return self._plane

    @property
    def points(self) -> Any:
        """Our layer of points."""
        return None if self.tools is None else self.tools.points

    @property
    def shapes(self) -> Any:
        """Our layer of shapes."""
        return None if self.tools is None else self.tools.shapes

    @property
    def preview_layer(self) -> Any:
        """The layer that shows what open objects would become."""
        preview = None if self.tools is None else self.tools.preview
        return None if preview is None else preview.layer

    def reader(self) -> LayerReader:
        """Reads layers for the present session."""
        session, plane = self._open_session(), self._plane_in_view()
        hidden = {each.id for each in session.state.open} - self._complete_tools().drawn
        return LayerReader(self.viewer, self.picture, session, self.mode, plane, hidden)

    def stop(self) -> None:
        """Stop what is being computed, begun or committed."""
        self.jobs.cancel()
        self.give_up()
        self._scheduler.forget()
        self._portions.cancel()

    # What layers and viewer tell ------------------------------------------------------------

    def _on_view(self, event: Any = None) -> None:
        if self.session is None:
            return
        try:
            plane = viewed_plane(self.viewer, self.picture)
        except InputError as error:
            self._plane = None
            self.where.emit(str(error))
            return
        if self._plane is None and self.tools is not None:
            # In 3-D napari takes the tool away, and brings it back in its own time.
            self.jobs.call_later("tool", self.tools.take_up)
            self.possible.emit()
        if plane != self._plane:
            self._plane = self.session.plane = plane
            self.where.emit(self._scheduler.describe(self.session, plane))
            self._go_on()

    def _on_placed(self, event: Any = None) -> None:
        """The picture was moved, scaled or turned: our layers follow, and another plane is seen."""
        if self.tools is not None:
            with self._without_events():
                self.placing.place(self.tools.layers)
            self._on_view()

    def _on_pixels(self, event: Any = None) -> None:
        picture = self.picture
        if self.session is None or picture is None:
            return
        source = LayerView(picture.layer, picture.channels, picture.others).source()
        if source.shape != self.session.source.shape:
            self.close()
            self.open(picture.layer, picture.channels, picture.others)
            return
        self.session.source = source
        self.session.forget_image()
        self._keeping.identify()
        self._go_on()

    def _on_prompts(self, event: Any = None) -> None:
        """Points or shapes were added, moved or removed by hand."""
        action = getattr(getattr(event, "action", None), "value", "changed")
        if self._quiet or self.session is None or action not in ("added", "removed", "changed"):
            return
        try:
            self._plane_in_view()
            with self._without_events():
                if event is not None and event.source is self.points:
                    # It is no prompt yet, and who clicks elsewhere does not go on with it.
                    self._complete_tools().drop_half_drawn()
                if action == "added":
                    self._complete_tools().mark_new(event)
                self._read_prompts()
        except Exception as error:
            # Napari is in the middle of drawing and must come to its end, whatever happened here.
            self._write_prompts()
            self._refuse(error)

    def _plane_in_view(self) -> Plane:
        """The plane in view; an InputError says why there is none."""
        return viewed_plane(self.viewer, self.picture) if self._plane is None else self._plane

    def _read_prompts(self) -> None:
        """Make the session's open objects what points and shapes say."""
        session = self._open_session()
        reading = self.reader().read(self.points, self.shapes)
        begun = session.set_open(reading.wanted)
        self._complete_tools().drawn.update(begun.values())
        self._written = asked(session.state)
        for layer, given in (
            (self.points, reading.of_points),
            (self.shapes, reading.of_shapes),
        ):
            layer.features["object"] = [begun.get(number, number) for number in given]

    def _write_prompts(self) -> None:
        """Make points and shapes what the session's open objects say."""
        if self.session is not None and self.tools is not None:
            self._written = asked(self.session.state)
            with self._without_events():
                self.tools.write(self.session.state)

    def _refuse(self, error: Exception) -> None:
        """Say what went wrong."""
        text = describe_error(error)
        self.status.emit(text)
        self.refused.emit(text)

    def _on_session(self, before: State, after: State) -> None:
        if after is not before:
            self._keeping.follow()
        self._show()
        if self._portions.running:
            # The rest follows when all of many objects are done.
            self.results.record(self._open_session())
        else:
            self._settle()

    def _on_answer(self, numbers: tuple[int, ...]) -> None:
        self._show()
        self.changed.emit()

    def _on_labels(self, event: Any = None) -> None:
        """The labels were drawn again; maybe somebody undid a commit there."""
        if not self._quiet and self.session is not None:
            with self._without_events():
                lost = self.session.check_labels()
            if lost:
                self._write_prompts()

    def _on_removed(self, event: Any) -> None:
        if self._quiet or self.session is None:
            return
        layer = event.value
        if self.picture is not None and layer in self.picture.layers:
            self.close()
            self._refuse(
                InputError(f"{layer.name} is gone, so its session ended; choose an image.")
            )
        elif layer is self.labels:
            # Not at once: a window that closes removes all layers, the image after the labels,
            # and then the commits shall be found in the journal.
            session = self.session
            self.jobs.call_later("labels", lambda: self._on_labels_gone(session))
            self.results.leave()
        elif self.tools is not None:
            self.tools.forget(layer)

    def _on_labels_gone(self, session: Session) -> None:
        if session is self.session and self.labels is None:
            session.set_target(NoTarget(), reopen=True)
            self._refuse(InputError("The labels are gone; their objects can be committed again."))

    def _go_on(self) -> None:
        """Embed what is in view, ask what is to be asked."""
        if self.session is not None and self.model is not None:
            self._scheduler.go_on(self.session, self._plane, self.live)
        elif self.session is not None and self._plane is not None:
            self.where.emit(self._scheduler.describe(self.session, self._plane))

    def _settle(self) -> None:
        """Make everything follow the session's state."""
        if self.session is None:
            return
        if not self._quiet and asked(self.session.state) != self._written:
            self._write_prompts()
        self.results.describe(self.session)
        self._go_on()
        self.changed.emit()

    # Layers ---------------------------------------------------------------------------------

    def _complete_tools(self) -> PromptLayers:
        """Our layers; those that somebody removed come back."""
        if self.tools is None:
            raise InputError("Choose an image first.")
        if not self.tools.complete:
            with self._without_events():
                added = self.tools.add_missing()
            for layer in added:
                self.prompts_added.emit(layer)
            self._write_prompts()
            self._show()
        return self.tools

    def _show(self) -> None:
        preview = None if self.tools is None else self.tools.preview
        if preview is not None and self.session is not None and preview.show(self.session):
            # Drawing a large layer takes its time, so it has a turn of its own.
            self.jobs.call_later("preview", preview.refresh)

    def _open_session(self) -> Session:
        if self.session is None:
            raise InputError("Choose an image first.")
        return self.session

    @contextmanager
    def _without_events(self) -> Iterator[None]:
        """What happens to layers here is our own doing."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before
