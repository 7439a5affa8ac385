"""The controller: all that can be done with a session on an image in a viewer.

It needs no Qt and works on a ``ViewerModel``; every act is a method that a widget's button or a
script calls.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from napari.layers import Labels

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import Plane
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.chunked import CHUNK
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.plugin.layers.metadata import METADATA
from napari_segany.plugin.layers.transforms import show_plane
from napari_segany.plugin.prompt import layer_features
from napari_segany.plugin.prompt.layer_sync import LayerSync
from napari_segany.session import Session
from napari_segany.session.journal import SavedSession
from napari_segany.session.labels_target import NoTarget
from napari_segany.session.replay import provenance, replay
from napari_segany.session.session_file import checked_session
from napari_segany.session.state import State, middle

T = TypeVar("T")

Given = tuple[Prompt, Plane, int | None]
"""An object to begin: with what, where, and its value in the labels if that is known."""


class PromptController(LayerSync):
    """Acts on a session in a viewer; see :class:`LayerSync` for its parameters.

    Attributes
    ----------
    min_predicted_iou, min_stability : float
        Objects whose candidate has lower scores are not committed.
    """

    def __init__(self, viewer: Any, jobs: JobQueue, journals: Path | None = None) -> None:
        super().__init__(viewer, jobs, journals)
        self.min_predicted_iou = self.min_stability = 0.0

    # Prompts --------------------------------------------------------------------------------

    def flip_sign(self) -> str:
        """The next point is on the object, or off it; returns which."""
        now = self._complete_tools().sign
        sign = (
            layer_features.NEGATIVE if now == layer_features.POSITIVE else layer_features.POSITIVE
        )
        self.set_sign(sign)
        return sign

    def set_sign(self, sign: str) -> None:
        """The next point's sign."""
        self._complete_tools().set_sign(sign)
        self.status.emit(self._complete_tools().next_prompt)

    def take_tool(self, layer: str, mode: str, sign: str) -> None:
        """Select "points" or "shapes" with a mode of napari's, for prompts of a sign."""
        self._complete_tools().set_sign(sign)
        with self._without_events():
            # In another mode it would become what nobody drew.
            self._complete_tools().drop_half_drawn()
        chosen = getattr(self, layer)
        # Napari gives no clicks to what is hidden.
        chosen.visible = True
        self._complete_tools().select(chosen)
        chosen.mode = mode
        self.status.emit(self._complete_tools().next_prompt)

    def toggle_preview(self) -> bool:
        """Hide or show the preview; returns whether it is seen."""
        self._complete_tools()
        self.preview_layer.visible = not self.preview_layer.visible
        return bool(self.preview_layer.visible)

    def add(
        self,
        prompts: Sequence[Prompt],
        planes: Sequence[Plane] = (),
        labels: Sequence[int | None] = (),
    ) -> None:
        """Begin an object for each prompt; thousands are begun a few at a time.

        See :meth:`Session.add_many`; by default they lie in the plane in view.
        """
        session = self._open_session()
        where, values = planes or [session.plane] * len(prompts), labels or [None] * len(prompts)

        def act(rows: Sequence[tuple[Prompt, Plane, int | None]], joined: bool) -> None:
            some, here, named = zip(*rows, strict=True)
            session.add_many(some, here, named, join=joined)

        self._as_one_step("add", list(zip(prompts, where, values, strict=True)), act)

    def add_later(
        self, find: Callable[[ShouldStop], list[Given]], notes: Collection[str] = ()
    ) -> None:
        """Begin the objects that ``find`` returns, and say what it noted; another thread calls it.

        Parameters
        ----------
        find : callable
            Returns what is to be begun.
        notes : collection of str
            What there is to say by then.
        """
        session = self._open_session()

        def add(found: list[Given]) -> None:
            if session is self.session and found:
                self.add(*zip(*found, strict=True))
                many = "objects are" if len(found) > 1 else "object is"
                self.status.emit(" ".join([f"{len(found)} {many} open.", *notes]))
            elif session is self.session:
                self.status.emit(" ".join(["There is no object there.", *notes]))

        self.jobs.submit("find", Priority.REQUEST, find, add, self._refuse)

    def go_to(self, number: int) -> None:
        """Look at an object, and make it the active one if it is open."""
        session = self._open_session()
        each = session.state.objects.get(number)
        if each is None or self.picture is None:
            raise InputError(f"There is no object {number}.")
        show_plane(self.viewer, self.picture, each.plane, middle(each))
        if each.commit is None:
            session.reopen(number)

    def embed(self, plane: Plane) -> None:
        """Embed a plane soon, or as soon as there is a model."""
        session = self._open_session()

        def embed(_: object) -> None:
            if session is self.session:
                self._scheduler.embed(session, plane)

        self.with_model(embed)

    def segment(self) -> None:
        """Have all open objects segmented, now or as soon as there is a model."""
        session = self._open_session()

        def ask(_: object) -> None:
            if session is self.session:
                self._scheduler.ask(session)

        self.with_model(ask)

    # Candidates, commits, history -----------------------------------------------------------

    def next_candidate(self, step: int = 1) -> int | None:
        """Show the next reading of the active object; returns which, 0 for the best."""
        return self._open_session().next_candidate(step)

    def commit(self) -> list[int]:
        """Write all open objects that are segmented into the labels.

        Those with scores below the bounds stay open. Of thousands the first are written now and
        the others soon; they are one step to undo.

        Returns
        -------
        list of int
            Labels of those written now.
        """
        self.finish()
        session = self._open_session()
        ready = [each.id for each in session.state.open if session.candidates(each.id) is not None]
        good = [number for number in ready if self._is_good(session, number)]
        if ready and not good:
            raise InputError("No object has scores as high as asked for; nothing is committed.")
        if not good:
            raise InputError("There is nothing to commit yet: click on an object first.")
        if self.labels is None:
            self.into(None)
        labels: list[int] = []
        empty: list[int] = []

        def act(portion: Sequence[int], joined: bool) -> None:
            # Some may be gone by now, or asked for anew.
            still = [n for n in portion if session.preview(n) is not None]
            labels.extend(session.commit(still, joined))
            objects = session.state.objects
            empty.extend(n for n in still if n in objects and objects[n].commit is None)

        def done() -> None:
            self._settle()
            if session is self.session and (left := stay_open(len(ready) - len(good), len(empty))):
                self.status.emit(left)

        self._as_one_step("commit", good, act, done)
        return labels

    def finish(self) -> None:
        """Do now what is on its way in turns: the rest of thousands of objects."""
        self._portions.finish()

    def _as_one_step(
        self,
        key: str,
        items: Sequence[T],
        act: Callable[[Sequence[T], bool], object],
        done: Callable[[], object] | None = None,
    ) -> None:
        """Act on some items at a time; ``act`` is told whether to join the step before.

        That is ours, unless something else was done in between. In the end it is ``done``.
        """
        session = self._open_session()
        ours: State | None = None

        def part(some: Sequence[T], going_on: bool) -> None:
            nonlocal ours
            if session is self.session:
                before = session.state
                act(some, going_on and before is ours)
                if session.state is not before:
                    ours = session.state

        self._portions.for_each(key, items, part, done or self._settle, self._refuse)

    def _is_good(self, session: Session, number: int) -> bool:
        mask = session.preview(number)
        if mask is None or not len(mask):
            return True
        iou, stability = mask.predicted_iou[0], mask.stability_score[0]
        return bool(iou >= self.min_predicted_iou and stability >= self.min_stability)

    def into(self, layer: Any) -> Any:
        """Commit into a labels layer of the image's shape; None makes one.

        What was committed into another layer before stays there and is done with.
        """
        self.finish()
        session, picture = self._open_session(), self.picture
        assert picture is not None
        if layer is not None and layer is self.labels:
            return layer
        new = layer is None
        layer = self.results.new_layer(picture) if new else layer
        target = self.results.take(layer, picture, new)
        if new:
            self.placing.made(layer)
            self._insert(layer)
        session.set_target(target)
        return layer

    def _insert(self, layer: Any) -> None:
        """Show a new layer below the prompts, so that these are seen on what is committed."""
        with self._without_events():
            own = self.preview_layer
            at = self.viewer.layers.index(own) if own is not None else len(self.viewer.layers)
            self.viewer.layers.insert(at, layer)
            self._complete_tools().select(self.points)

    def reopen(self, label: int) -> None:
        """Take up an object of the labels again, with its prompts."""
        session = self._open_session()
        each = session.by_label(label)
        if each is None:
            raise InputError(f"Label {label} was not made in this session.")
        session.reopen(each.id)

    def clear(self) -> None:
        """Give up all open objects."""
        self.finish()
        session = self._open_session()
        if session.state.open:
            session.delete([each.id for each in session.state.open])

    def undo(self) -> bool:
        """Undo the last step; one of thousands of objects takes several turns.

        A step that is still on its way is done first, so that all of it is undone.
        """
        return self._go_through(self._open_session().undo)

    def redo(self) -> bool:
        """Do the step again that was undone last."""
        return self._go_through(self._open_session().redo)

    def _go_through(self, move: Callable[[int], bool]) -> bool:
        self.finish()
        session, able = self._open_session(), list[bool]()

        def some() -> bool:
            if session is self.session and (session.is_between_steps or not able):
                able.append(move(CHUNK))
            return session is self.session and session.is_between_steps

        self._portions.repeat("undo", some, self._settle, self._refuse)
        return able[0]

    # Restoring ------------------------------------------------------------------------------

    def stories(self) -> list[SavedSession]:
        """Earlier sessions on this image that hold something, the latest first.

        They are known soon after the image is chosen.
        """
        return list(self._keeping.stories)

    def restore(self, story: SavedSession) -> None:
        """Take up an earlier session; its objects come back in a new layer of labels.

        Labels that it wrote into before the last ones come back in layers of their own. A session
        in which something has happened ends; its labels stay, and it can be restored, too.

        Raises
        ------
        InputError
            If it was about an image of another shape, or the present session would be lost because
            it cannot be written down; nothing has changed then.
        """
        session, picture = self._open_session(), self.picture
        assert picture is not None
        story.check_shape(session.source.shape)
        self.finish()
        in_use = session.is_begun
        if in_use:
            if not self._keeping.is_kept:
                raise InputError(
                    "The present session is not written down, so it would be lost. Commit its "
                    "objects, close the panel, and restore in a new one."
                )
            session = self._begin_anew()
        for steps in story.former:
            self._insert(self.results.written_again(picture, steps))
        if story.steps:
            self.into(None)
        session.restore(story)
        if in_use:
            self.status.emit("The session before has ended; it can be restored, too.")

    def _begin_anew(self) -> Session:
        """End the session and begin another one on the same image, with the same layers."""
        before, picture = self._open_session(), self.picture
        assert picture is not None
        self.stop()
        before.close()
        self.results.leave()
        session = Session(before.source, before.model, NoTarget(), cache=before.embeddings)
        session.plane, session.on_overlap = before.plane, before.on_overlap
        self._follow(session)
        self._keeping.begin(session, picture.likeness)
        self._show()
        self._settle()
        return session

    # Doing it again ------------------------------------------------------------------------

    def provenance(self) -> dict[str, Any]:
        """How the labels came about; see :func:`session.provenance.provenance`."""
        return provenance(self._open_session())

    def replay(self, kept: Any) -> None:
        """Compute a session's labels again, into a new layer; ``kept`` is its record."""
        session, picture = self._open_session(), self.picture
        assert picture is not None
        source, record = session.source, checked_session(kept)

        def show(labels: Any) -> None:
            layer = Labels(labels, name=f"{picture.name} again", **picture.placement())
            layer.metadata[METADATA] = kept
            self.placing.made(layer)
            with self._without_events():
                self.viewer.add_layer(layer)

        def begin(model: PromptableModel) -> None:
            def work(should_stop: ShouldStop) -> Any:
                return replay(record, source, model, should_stop)

            self.jobs.submit("replay", Priority.REQUEST, work, show, self._refuse)

        self.with_model(begin)


def stay_open(low: int, empty: int) -> str:
    """A line about objects that were not committed: with low scores, or without pixels."""
    said = []
    if low:
        many = "objects with lower scores stay" if low > 1 else "object with lower scores stays"
        said.append(f"{low} {many} open.")
    if empty:
        said.append(
            f"{empty} object{'s stay' if empty > 1 else ' stays'} open, because others have all of "
            f"{'their' if empty > 1 else 'its'} pixels: choose On overlap: replace existing, or "
            "delete."
        )
    return " ".join(said)
