"""Steps on thousands of objects, done in chunks so that the window stays responsive."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from napari_segany.core.image_source import Plane
from napari_segany.core.prompts import Prompt
from napari_segany.plugin.jobs.chunked import CHUNK, PART, ChunkedTasks
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.session import Session
from napari_segany.session.prompt_updates import PartMask
from napari_segany.session.state import State

T = TypeVar("T")

NewObject = tuple[Prompt, Plane, int | None]
"""An object to begin: its prompt, its plane, and its label if that is known."""


class BulkSteps:
    """Steps of a session that are done in chunks; one undo reverts all chunks of a step.

    The first chunk is done at once. A further step starts after the one before is finished.

    Parameters
    ----------
    jobs : JobQueue
        Queue that gives the turns of the event loop.
    is_current : callable
        Returns True for the present session; chunks for another one are dropped.
    ends : sequence of callable
        Called after the last chunk of a step, each in a turn of its own if there were several.
    failed : callable
        Called with the error of a later chunk.
    """

    def __init__(
        self,
        jobs: JobQueue,
        is_current: Callable[[Session], bool],
        ends: Sequence[Callable[[], object]],
        failed: Callable[[Exception], None],
    ) -> None:
        self._tasks = ChunkedTasks(jobs)
        self._is_current, self._ends, self._failed = is_current, ends, failed

    @property
    def running(self) -> bool:
        """True while a chunk is being done."""
        return self._tasks.running

    def finish(self) -> None:
        """Do all remaining chunks now."""
        self._tasks.finish()

    def cancel(self) -> None:
        """Cancel the remaining chunks."""
        self._tasks.cancel()

    def add(self, session: Session, objects: Sequence[NewObject]) -> None:
        """Begin objects; see :meth:`Session.add_many`."""

        def act(chunk: Sequence[NewObject], join: bool) -> None:
            prompts, planes, labels = zip(*chunk, strict=True)
            session.add_many(prompts, planes, labels, join=join)

        self._for_each("add", session, objects, act, self._ends)

    def commit(
        self,
        session: Session,
        numbers: Sequence[int],
        done: Callable[[int], object],
        propagated: Sequence[PartMask] = (),
        join: bool = False,
    ) -> list[int]:
        """Commit objects.

        Parameters
        ----------
        session : Session
            The session.
        numbers : sequence of int
            Objects that have candidates.
        done : callable
            Called in the end with the number of objects that stay open, because all of their
            pixels belong to others.
        propagated : sequence of tuple
            Masks of objects on further planes. Of two that overlap, the first has the pixels.
        join : bool
            Merge all of it with the step before.

        Returns
        -------
        list of int
            Labels of the objects of the first chunk.
        """
        labels: list[int] = []
        empty: list[int] = []
        # Where commits replace others, the last one has the pixels.
        further = propagated if session.on_overlap == "keep" else propagated[::-1]

        def act(chunk: Sequence[int | PartMask], continues: bool) -> None:
            joined = join or continues
            before, masks = session.state, [e for e in chunk if not isinstance(e, int)]
            # Some objects may have been deleted, or have another prompt by now.
            some = [n for n in chunk if isinstance(n, int) and session.preview(n) is not None]
            if some:
                labels.extend(session.commit(some, joined))
            if masks:
                session.commit_parts(masks, joined or session.state is not before)
            objects = session.state.objects
            empty.extend(n for n in some if n in objects and objects[n].commit is None)

        def report() -> None:
            if self._is_current(session):
                done(len(empty))

        items: list[int | PartMask] = [*numbers, *further]
        # Parts on further planes wait for turns of their own, which the clock ends.
        at_once = min(len(numbers), CHUNK) if further else CHUNK
        self._for_each("commit", session, items, act, (*self._ends, report), at_once)
        return labels

    def travel(self, session: Session, move: Callable[[int], bool]) -> bool:
        """Undo or redo one step.

        Parameters
        ----------
        session : Session
            The session.
        move : callable
            :meth:`Session.undo` or :meth:`Session.redo`.

        Returns
        -------
        bool
            False if there was no step.
        """
        moved: list[bool] = []

        def step() -> bool:
            if self._is_current(session) and (session.is_between_steps or not moved):
                moved.append(move(PART if moved else CHUNK))
            return self._is_current(session) and session.is_between_steps

        self._tasks.repeat("undo", step, self._ends, self._failed)
        return moved[0]

    def _for_each(
        self,
        key: str,
        session: Session,
        items: Sequence[T],
        act: Callable[[Sequence[T], bool], object],
        ends: Sequence[Callable[[], object]],
        at_once: int = CHUNK,
    ) -> None:
        """Act on chunks of items; ``act`` gets True to join the step before.

        The chunks are not joined if another step came in between.
        """
        latest: State | None = None

        def act_on(chunk: Sequence[T], continues: bool) -> None:
            nonlocal latest
            if self._is_current(session):
                before = session.state
                act(chunk, continues and before is latest)
                if session.state is not before:
                    latest = session.state

        self._tasks.for_each(key, items, act_on, ends, self._failed, at_once)
