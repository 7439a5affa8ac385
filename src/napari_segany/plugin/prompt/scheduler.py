"""Scheduler of model work: requests of the user, the plane in view, its neighbours."""

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

CHUNK = 64
"""Objects of one job: enough for efficient batches, few enough to be done soon."""

NEIGHBOURS = 2
"""Planes on each side of the one in view that are embedded ahead."""


class Scheduler:
    """Submits inference and embedding to the job queue; no method waits.

    Parameters
    ----------
    jobs : JobQueue
        Queue of the jobs.
    show : callable
        Called with a line about the plane in view.
    failed : callable
        Called with an error.
    now : callable
        Returns the session and the plane in view; outdated results are dropped.
    """

    def __init__(
        self,
        jobs: JobQueue,
        show: Callable[[str], Any],
        failed: Callable[[Exception], Any],
        now: Callable[[], tuple[Session | None, Plane | None]],
    ) -> None:
        self.jobs, self.show, self.failed, self.now = jobs, show, failed, now
        # Running requests by the key of their job; keys of outdated jobs, for reuse.
        self._running: dict[Hashable, Request] = {}
        self._idle: list[Hashable] = []
        self._count = 0
        # Error of the embedding of the plane in view.
        self._failure: tuple[Session, Plane, Exception] | None = None

    def schedule(self, session: Session, plane: Plane | None, live: bool) -> None:
        """Schedule all work: embedding, and inference for open objects with ``live``."""
        if live:
            self.segment(session)
        if plane is not None:
            if session.is_embedded(plane):
                self._look_ahead(session, plane)
            else:
                self.embed(session, plane)
            self.show(self.describe(session, plane))

    def segment(self, session: Session) -> None:
        """Request candidates for all open objects without candidates."""
        requests = session.requests()
        predictor = requests[0].predictor if requests else None
        wanted = {id(each.prompt) for request in requests for each in request.objects}
        # Running requests are kept: another plane, or a choice, restarts none of them.
        for key, running in list(self._running.items()):
            still = any(id(each.prompt) in wanted for each in running.objects)
            if predictor is None or not still or not _same_inputs(running, predictor):
                del self._running[key]
                self._idle.append(key)
        known = {_identity(o) for running in self._running.values() for o in running.objects}
        for request in requests:
            left = [each for each in request.objects if _identity(each) not in known]
            for start in range(0, len(left), CHUNK):
                some = tuple(left[start : start + CHUNK])
                self._submit(session, Request(request.plane, some, request.predictor))

    def forget(self) -> None:
        """Forget all requests, because their jobs were cancelled."""
        self._running.clear()
        self._idle.clear()

    def _submit(self, session: Session, request: Request) -> None:
        if self._idle:
            # A job with the same key replaces the outdated one.
            key = self._idle.pop()
        else:
            self._count += 1
            key = ("ask", self._count)
        self._running[key] = request

        def done(sets: list[MaskSet]) -> None:
            self._running.pop(key, None)
            self._on_candidates(session, request, sets)

        def failed(error: Exception) -> None:
            self._running.pop(key, None)
            self.failed(plane_error(request.plane, error))

        self.jobs.submit(key, Priority.REQUEST, request.predict, done, failed)

    def embed(self, session: Session, plane: Plane, priority: int = Priority.VIEW) -> None:
        """Embed a plane; an error is shown in the line about the plane in view."""
        predictor = session.predictor
        if self._error_of(session, plane) is not None:
            self._failure = None

        def work(should_stop: ShouldStop) -> None:
            predictor.embedding(plane, should_stop)

        def failed(error: Exception) -> None:
            # Errors of planes that are not in view are not shown.
            if (session, plane) == self.now():
                self._failure = session, plane, error
                self.show(self.describe(session, plane))

        done = partial(self._on_embedded, session)
        self.jobs.submit(("embed", plane), priority, work, done, failed)

    def describe(self, session: Session, plane: Plane) -> str:
        """Return a line about a plane: its name, and its embedding or the error."""
        error = self._error_of(session, plane)
        if error is not None:
            return str(plane_error(plane, error))
        state = "ready" if session.is_embedded(plane) else "embedding ..."
        if session.model is None:
            state = "waiting for the model ..."
        return f"{plane_name(plane)}: {state}"

    def _error_of(self, session: Session, plane: Plane) -> Exception | None:
        """Return the error of the embedding of a plane, None if none is known."""
        known = self._failure
        return known[2] if known is not None and known[:2] == (session, plane) else None

    def _on_candidates(self, session: Session, request: Request, sets: list[MaskSet]) -> None:
        if session is self.now()[0]:
            session.answer(request, sets)
            self._on_embedded(session)

    def _on_embedded(self, session: Session, _: None = None) -> None:
        current, plane = self.now()
        if session is current and plane is not None:
            self.show(self.describe(session, plane))
            if session.is_embedded(plane):
                self._look_ahead(session, plane)

    def _look_ahead(self, session: Session, plane: Plane) -> None:
        """Embed the next neighbour of the plane in view that is not embedded yet."""
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
    """Return a key of an object's prompt; successive states share the instances."""
    return each.plane, id(each.prompt), id(each.before)


def _same_inputs(request: Request, predictor: Predictor) -> bool:
    return request.predictor.uses_as(predictor)
