"""The controller: a session, and the layers of a viewer that it is seen and worked through.

It needs no Qt and works on a ``ViewerModel``. The session is what is true; layers are how people
change it, and how they see it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from psygnal import Signal

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.prompts import Prompt
from napari_segany.embeddings import DEFAULT_BYTES, EmbeddingCache
from napari_segany.errors import InputError, SeganyError
from napari_segany.models.model import SamModel
from napari_segany.plugin import prompts
from napari_segany.plugin.layers import LayerTarget, placement_of, source_of, viewed_plane
from napari_segany.plugin.reading import Mode, Reader
from napari_segany.plugin.scheduler import Scheduler
from napari_segany.plugin.tools import ToolLayers
from napari_segany.plugin.workers import EMBED, Jobs
from napari_segany.session import Session
from napari_segany.session.journal import Story, find_journals, read_journal
from napari_segany.session.objects import State
from napari_segany.session.provenance import provenance, table
from napari_segany.session.source import Plane
from napari_segany.session.target import NoTarget


class Controller:
    """Wires a session to a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are used.
    jobs : Jobs
        Where the model runs.
    journals : Path, optional
        Folder for journals of sessions; none are kept by default.

    Attributes
    ----------
    status : Signal
        Emitted with a line about the plane in view, or what went wrong.
    changed : Signal
        Emitted when objects, candidates or the image are other ones.
    mode : {"one", "many"}
        Whether points belong to one object, or each positive point begins another.
    live : bool
        Whether candidates are computed without being asked for.
    """

    status = Signal(str)
    changed = Signal()

    def __init__(self, viewer: Any, jobs: Jobs, journals: Path | None = None) -> None:
        self.viewer, self.jobs, self.journals = viewer, jobs, journals
        self.mode: Mode = "one"
        self.live = True
        self.session: Session | None = None
        self.image: Any = None
        self.labels: Any = None
        self.tools: ToolLayers | None = None
        self._model: SamModel | None = None
        self._plane: Plane | None = None
        self.embeddings_bytes = DEFAULT_BYTES
        self._scheduler = Scheduler(jobs, self._say, lambda: (self.session, self._plane))
        self._stories: list[Story] = []
        self._written: list[tuple[int, Plane, int]] = []
        self._quiet = False
        viewer.dims.events.current_step.connect(self._on_view)
        viewer.dims.events.order.connect(self._on_view)
        viewer.dims.events.ndisplay.connect(self._on_view)
        viewer.layers.events.removed.connect(self._on_removed)

    # Image and model ------------------------------------------------------------------------

    @property
    def model(self) -> SamModel | None:
        """Who is asked."""
        return self._model

    @model.setter
    def model(self, model: SamModel | None) -> None:
        self._model = model
        if self.session is not None:
            self.session.model = model
        self._go_on()

    def open(self, image: Any) -> Session:
        """Begin a session on an image layer; the one before ends, its labels stay."""
        if image is self.image and self.session is not None:
            return self.session
        source = source_of(image)
        self.close()
        embeddings = EmbeddingCache(self.embeddings_bytes)
        self.session = Session(source, self._model, NoTarget(), cache=embeddings)
        self.session.changed.connect(self._on_session)
        self.session.answered.connect(self._on_answer)
        self.session.trouble.connect(self._say)
        self.image = image
        image.events.data.connect(self._on_pixels)
        self.tools = ToolLayers(self.viewer, image, source.shape, self._on_prompts)
        self._complete_tools()
        self._on_view()
        if self.journals is not None:
            self._begin_journal(self.session, self.journals)
        self.changed.emit()
        return self.session

    def _begin_journal(self, session: Session, folder: Path) -> None:
        """Find out which image this is, in another thread, and write down what happens."""

        def find(should_stop: ShouldStop) -> tuple[Path, list[Story]]:
            own = folder / session.source.identity()
            return own, self._read_stories(own)

        def begin(found: tuple[Path, list[Story]]) -> None:
            if session is self.session:
                own, self._stories = found
                session.begin_journal(own)
                self.changed.emit()

        self.jobs.submit("identity", EMBED, find, begin, self._scheduler.failed)

    def close(self) -> None:
        """End the session; our layers leave the viewer, labels stay."""
        self.jobs.stop()
        if self.session is not None:
            self.session.close()
        if self.image is not None:
            self.image.events.data.disconnect(self._on_pixels)
        if self.labels is not None:
            self._leave_labels()
        if self.tools is not None:
            with self._without_events():
                self.tools.remove()
        self.session = self.image = self.tools = None
        self._plane, self._stories = None, []
        self.changed.emit()

    def end(self) -> None:
        """Close, and let go of the viewer."""
        self.close()
        self.viewer.dims.events.current_step.disconnect(self._on_view)
        self.viewer.dims.events.order.disconnect(self._on_view)
        self.viewer.dims.events.ndisplay.disconnect(self._on_view)
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    @property
    def plane(self) -> Plane | None:
        """The plane in view, None if there is none that prompts can be given in."""
        return self._plane

    # Prompts --------------------------------------------------------------------------------

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

    def flip_sign(self) -> str:
        """The next point is on the object, or off it; returns which."""
        now = self._complete_tools().sign
        sign = prompts.NEGATIVE if now == prompts.POSITIVE else prompts.POSITIVE
        self.set_sign(sign)
        return sign

    def set_sign(self, sign: str) -> None:
        """The next point's sign."""
        self._complete_tools().set_sign(sign)
        self.status.emit(f"Next point: {sign}.")

    def take_tool(self, layer: str, mode: str, sign: str) -> None:
        """Select "points" or "shapes" with a mode of napari's, for prompts of a sign."""
        self.set_sign(sign)
        chosen = getattr(self, layer)
        self._complete_tools().select(chosen)
        chosen.mode = mode

    def toggle_preview(self) -> bool:
        """Hide or show the preview; returns whether it is seen."""
        self._complete_tools()
        self.preview_layer.visible = not self.preview_layer.visible
        return bool(self.preview_layer.visible)

    def add(self, given: Sequence[Prompt]) -> list[int]:
        """Begin an object for each prompt, in the plane in view."""
        return self._open_session().add_many(given)

    def embed(self, plane: Plane) -> None:
        """Embed a plane soon."""
        self._scheduler.embed(self._open_session(), plane)

    def segment(self) -> None:
        """Have all open objects segmented."""
        session = self._open_session()
        if session.model is None:
            raise InputError("Choose a model first.")
        self._scheduler.ask(session)

    # Candidates, commits, history -----------------------------------------------------------

    def next_candidate(self, step: int = 1) -> int | None:
        """Show the next reading of the active object; returns which, 0 for the best."""
        return self._open_session().next_candidate(step)

    def commit(self) -> list[int]:
        """Write all open objects that are segmented into the labels; returns their labels."""
        session = self._open_session()
        ready = [each.id for each in session.state.open if session.candidates(each.id) is not None]
        if not ready:
            raise InputError("There is nothing to commit yet: click on an object first.")
        if self.labels is None:
            self.into(None)
        return session.commit(ready)

    def into(self, layer: Any) -> Any:
        """Commit into a labels layer of the image's shape; None makes one."""
        session = self._open_session()
        if layer is None:
            data = np.zeros(session.source.shape, np.int32)
            layer = Labels(data, name=f"{self.image.name} objects", **placement_of(self.image))
            target = LayerTarget(layer, last=0)
            with self._without_events():
                # Below the prompts, so that these are seen on what is committed.
                own = self.preview_layer
                at = self.viewer.layers.index(own) if own is not None else len(self.viewer.layers)
                self.viewer.layers.insert(at, layer)
                self._complete_tools().select(self.points)
        else:
            shape = tuple(np.shape(layer.data))
            if shape != session.source.shape:
                raise InputError(
                    f"{layer.name} has shape {shape}, {self.image.name} has planes of "
                    f"{session.source.shape}; choose labels of the image's shape."
                )
            target = LayerTarget(layer)
        if self.labels is not None:
            self._leave_labels()
        self.labels = layer
        layer.events.set_data.connect(self._on_labels)
        layer.events.paint.connect(self._on_paint)
        session.set_target(target)
        return layer

    def reopen(self, label: int) -> None:
        """Take up an object of the labels again, with its prompts."""
        session = self._open_session()
        each = session.by_label(label)
        if each is None:
            raise InputError(f"Label {label} was not made in this session.")
        session.reopen(each.id)

    def clear(self) -> None:
        """Give up all open objects."""
        session = self._open_session()
        if session.state.open:
            session.delete([each.id for each in session.state.open])

    def undo(self) -> bool:
        """Undo the last step."""
        return self._open_session().undo()

    def redo(self) -> bool:
        """Do the step again that was undone last."""
        return self._open_session().redo()

    # Restoring ------------------------------------------------------------------------------

    def stories(self) -> list[Story]:
        """Earlier sessions on this image that hold something, the latest first.

        They are known soon after the image is chosen.
        """
        return list(self._stories)

    @staticmethod
    def _read_stories(folder: Path) -> list[Story]:
        found = []
        for path in find_journals(folder):
            try:
                story = read_journal(path)
            except SeganyError:
                continue
            if story.state.objects or story.steps:
                found.append(story)
        return found

    def restore(self, story: Story) -> None:
        """Take up an earlier session; its objects come back in a new layer of labels."""
        session = self._open_session()
        if story.steps:
            self.into(None)
        session.restore(story)

    # What layers and viewer tell ------------------------------------------------------------

    def _on_view(self, event: Any = None) -> None:
        if self.session is None:
            return
        try:
            plane = viewed_plane(self.viewer, self.image)
        except InputError as error:
            self._plane = None
            self.status.emit(str(error))
            return
        if plane != self._plane:
            self._plane = self.session.plane = plane
            self._go_on()

    def _on_pixels(self, event: Any = None) -> None:
        if self.session is None:
            return
        source = source_of(self.image)
        if source.shape != self.session.source.shape:
            image = self.image
            self.close()
            self.open(image)
            return
        self.session.source = source
        self.session.forget_image()
        self._go_on()

    def _on_prompts(self, event: Any = None) -> None:
        """Points or shapes were added, moved or removed by hand."""
        action = getattr(getattr(event, "action", None), "value", "changed")
        if self._quiet or self.session is None or action not in ("added", "removed", "changed"):
            return
        if self._plane is None:
            self._write_prompts()
            self.status.emit("Prompts need a plane of the image in view.")
            return
        try:
            with self._without_events():
                if action == "added":
                    self._complete_tools().mark_new(event)
                self._read_prompts(self._plane)
        except SeganyError as error:
            self._write_prompts()
            self.status.emit(str(error))

    def _read_prompts(self, view: Plane) -> None:
        """Make the session's open objects what points and shapes say."""
        session = self._open_session()
        reader = Reader(self.viewer, self.image, session, self.mode, view)
        reading = reader.read(self.points, self.shapes)
        begun = session.set_open(reading.wanted)
        self._written = _asked(session.state)
        for layer, given in (
            (self.points, reading.of_points),
            (self.shapes, reading.of_shapes),
        ):
            layer.features["object"] = [begun.get(number, number) for number in given]

    def _write_prompts(self) -> None:
        """Make points and shapes what the session's open objects say."""
        if self.session is not None and self.tools is not None:
            self._written = _asked(self.session.state)
            with self._without_events():
                self.tools.write(self.session.state.objects)

    def _say(self, text: str) -> None:
        self.status.emit(text)

    def _on_session(self, before: State, after: State) -> None:
        if not self._quiet and _asked(after) != self._written:
            self._write_prompts()
        if after.committed != before.committed and self.labels is not None:
            self._describe_labels()
        self._show()
        self._go_on()
        self.changed.emit()

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

    def _on_paint(self, event: Any = None) -> None:
        target = None if self.session is None else self.session.labels
        if isinstance(target, LayerTarget):
            target.note(int(target.layer.selected_label))

    def _on_removed(self, event: Any) -> None:
        if self._quiet or self.session is None:
            return
        layer = event.value
        if layer is self.image:
            self.close()
        elif layer is self.labels:
            self._leave_labels()
            self.session.set_target(NoTarget(), reopen=True)
            self.status.emit("The labels are gone; their objects can be committed again.")
        elif self.tools is not None:
            self.tools.forget(layer)

    def _go_on(self) -> None:
        """Embed what is in view, ask what is to be asked."""
        if self.session is not None and self._model is not None:
            self._scheduler.go_on(self.session, self._plane, self.live)

    # Layers ---------------------------------------------------------------------------------

    def _complete_tools(self) -> ToolLayers:
        """Our layers; those that somebody removed come back."""
        if self.tools is None:
            raise InputError("Choose an image first.")
        if not self.tools.complete:
            with self._without_events():
                self.tools.add_missing()
            self._write_prompts()
            self._show()
        return self.tools

    def _show(self) -> None:
        if self.tools is not None and self.tools.preview is not None and self.session is not None:
            self.tools.preview.show(self.session)

    def _leave_labels(self) -> None:
        self.labels.events.set_data.disconnect(self._on_labels)
        self.labels.events.paint.disconnect(self._on_paint)
        self.labels = None

    def _describe_labels(self) -> None:
        """Scores into the labels' features, how they came about into their metadata."""
        session = self._open_session()
        self.labels.features = table(session.state)
        if session.model is not None:
            self.labels.metadata["napari_segany"] = provenance(session)

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


def _asked(state: State) -> list[tuple[int, Plane, int]]:
    """What the prompt layers show of a state."""
    return [(each.id, each.plane, id(each.prompt)) for each in state.open]
