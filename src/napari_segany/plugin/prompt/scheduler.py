"""What the model does next: a person's question, the plane in view, planes beside it."""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import Plane, plane_name
from napari_segany.core.masks import MaskSet
from napari_segany.plugin.jobs.failures import plane_error
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.session.inference import Predictor, Request
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject

ASKED_AT_ONCE = 64
"""Objects whose answers appear together; so many that a batch is worth it, and soon done."""

NEIGHBOURS = 2
"""Planes on each side of the one in view that are embedded ahead."""


class Scheduler:
    """Hands work for the model to jobs; nothing here waits.

    Parameters
    ----------
    jobs : JobQueue
        Where it is done.
    show : callable
        Told where we are, in a line.
    failed : callable
        Told what went wrong.
    now : callable
        Returns the session and the plane in view; what comes too late for them is left out.
    """

    def __init__(
        self,
        jobs: JobQueue,
        show: Callable[[str], Any],
        failed: Callable[[Exception], Any],
        now: Callable[[], tuple[Session | None, Plane | None]],
    ) -> None:
        self.jobs, self.show, self.failed, self.now = jobs, show, failed, now
        # What is being asked, by the keys of its work; keys whose answers nobody wants any more.
        self._asked: dict[Hashable, Request] = {}
        self._idle: list[Hashable] = []
        self._count = 0
        # Why the plane in view could not be embedded.
        self._trouble: tuple[Session, Plane, Exception] | None = None

    def go_on(self, session: Session, plane: Plane | None, live: bool) -> None:
        """Have done what there is to do; with ``live`` objects are segmented unasked."""
        if live:
            self.ask(session)
        if plane is not None:
            if session.is_embedded(plane):
                self._look_ahead(session, plane)
            else:
                self.embed(session, plane)
            self.show(self.describe(session, plane))

    def ask(self, session: Session) -> None:
        """Have all open objects segmented whose candidates are not known."""
        questions = session.questions()
        asker = questions[0].asker if questions else None
        wanted = {id(each.prompt) for question in questions for each in question.objects}
        # What is being asked already is waited for; the slider, or a choice, begins nothing anew.
        for key, asked in list(self._asked.items()):
            still = any(id(each.prompt) in wanted for each in asked.objects)
            if asker is None or not still or not _same_asker(asked, asker):
                del self._asked[key]
                self._idle.append(key)
        in_hand = {_identity(o) for asked in self._asked.values() for o in asked.objects}
        for question in questions:
            left = [each for each in question.objects if _identity(each) not in in_hand]
            for start in range(0, len(left), ASKED_AT_ONCE):
                some = tuple(left[start : start + ASKED_AT_ONCE])
                self._submit(session, Request(question.plane, some, question.asker))

    def forget(self) -> None:
        """Nothing that was asked will be answered, because all of it was stopped."""
        self._asked.clear()
        self._idle.clear()

    def _submit(self, session: Session, question: Request) -> None:
        if self._idle:
            # Work of the same key takes the place of what nobody wants to know any more.
            key = self._idle.pop()
        else:
            self._count += 1
            key = ("ask", self._count)
        self._asked[key] = question

        def done(sets: list[MaskSet]) -> None:
            self._asked.pop(key, None)
            self._answered(session, question, sets)

        def failed(error: Exception) -> None:
            self._asked.pop(key, None)
            self.failed(plane_error(question.plane, error))

        self.jobs.submit(key, Priority.REQUEST, question.ask, done, failed)

    def embed(self, session: Session, plane: Plane, urgency: int = Priority.VIEW) -> None:
        """Have a plane embedded; if that fails, the line about the plane in view says why."""
        asker = session.asker
        if self._why(session, plane) is not None:
            self._trouble = None

        def work(should_stop: ShouldStop) -> None:
            asker.embedding(plane, should_stop)

        def failed(error: Exception) -> None:
            # Of planes that may come into view nobody wants to know yet.
            if (session, plane) == self.now():
                self._trouble = session, plane, error
                self.show(self.describe(session, plane))

        done = partial(self._embedded, session)
        self.jobs.submit(("embed", plane), urgency, work, done, failed)

    def describe(self, session: Session, plane: Plane) -> str:
        """Where we are, and whether clicks are answered at once."""
        trouble = self._why(session, plane)
        if trouble is not None:
            return str(plane_error(plane, trouble))
        state = "ready" if session.is_embedded(plane) else "embedding ..."
        if session.model is None:
            state = "waiting for the model ..."
        return f"{plane_name(plane)}: {state}"

    def _why(self, session: Session, plane: Plane) -> Exception | None:
        """Why a plane could not be embedded, None if that is not known to fail."""
        known = self._trouble
        return known[2] if known is not None and known[:2] == (session, plane) else None

    def _answered(self, session: Session, question: Request, sets: list[MaskSet]) -> None:
        if session is self.now()[0]:
            session.answer(question, sets)
            self._embedded(session)

    def _embedded(self, session: Session, _: None = None) -> None:
        current, plane = self.now()
        if session is current and plane is not None:
            self.show(self.describe(session, plane))
            if session.is_embedded(plane):
                self._look_ahead(session, plane)

    def _look_ahead(self, session: Session, plane: Plane) -> None:
        """Embed the next plane beside the one in view that is not embedded yet."""
        axes = [axis for axis, n in enumerate(plane) if n is not None]
        at = plane[axes[-1]] if axes else None
        if at is None:
            return
        axis = axes[-1]
        for step in range(1, NEIGHBOURS + 1):
            for index in (at + step, at - step):
                near = (*plane[:axis], index, *plane[axis + 1 :])
                if 0 <= index < session.source.shape[axis] and not session.is_embedded(near):
                    self.embed(session, near, Priority.AHEAD)
                    return


def _identity(each: SegmentedObject) -> tuple[Any, ...]:
    """What is asked for an object; states that follow one another share these values."""
    return each.plane, id(each.prompt), id(each.before)


def _same_asker(question: Request, asker: Predictor) -> bool:
    mine = question.asker
    return mine.model is asker.model and mine.embeddings is asker.embeddings
