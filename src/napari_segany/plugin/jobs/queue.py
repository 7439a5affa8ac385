"""Work beside the GUI thread: one at a time, the most urgent first; all of it can be stopped.

What needs no model and must not wait for it has a thread of its own.
"""

import atexit
import heapq
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from qtpy.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import Cancelled

ASK, EMBED, AHEAD = 0, 1, 2
"""Urgency: a person's question, the plane in view, planes that may come into view."""

Work = Callable[[ShouldStop], Any]

AT_EXIT = 60
"""Seconds that the interpreter waits, when it ends, for work that was told to stop."""


@dataclass(order=True)
class Job:
    """One piece of work."""

    urgency: int
    number: int
    key: Hashable = field(compare=False)
    work: Work = field(compare=False)
    done: Callable[[Any], None] = field(compare=False)
    failed: Callable[[Exception], None] = field(compare=False)
    stopped: threading.Event = field(compare=False, default_factory=threading.Event)


class JobQueue(Protocol):
    """Where a controller has its work done."""

    def submit(
        self,
        key: Hashable,
        urgency: int,
        work: Work,
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Do work soon; unfinished work of the same key is stopped and forgotten.

        ``work`` is called in another thread, with a function that tells it to stop; ``done`` or
        ``failed`` afterwards in the GUI thread, and neither if it was stopped.
        """
        ...

    def beside(
        self, work: Work, done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Do work at once in a thread of its own, whatever else is done; stop() leaves it."""
        ...

    def later(self, key: Hashable, act: Callable[[], object]) -> None:
        """Call ``act`` in the GUI thread in a turn of its own; of equal keys only the last."""
        ...

    def stop(self, urgency: int = 0) -> None:
        """Stop and forget all work of this urgency and less; what is to come later stays."""
        ...

    @property
    def busy(self) -> bool:
        """Whether anything is to be done."""
        ...


class QtJobQueue(QObject):
    """Jobs in one thread and some beside it; results come back through Qt's event loop.

    Parameters
    ----------
    owner : QObject, optional
        For whom work is done; when it is gone, all work is stopped. It is no parent, because a
        thread that is at work needs this object to the end.
    """

    busy_changed = Signal(bool)
    """Emitted in the GUI thread when there is something to do, or nothing any more."""

    _finished = Signal(object, object, object)

    def __init__(self, owner: QObject | None = None) -> None:
        super().__init__()
        self._waiting: list[Job] = []
        self._current: Job | None = None
        self._beside: list[tuple[Job, threading.Thread]] = []
        self._on_their_way = 0
        self._later: dict[Hashable, Callable[[], object]] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._ended = self._said = False
        self._finished.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._run, name="napari-segany", daemon=True)
        self._thread.start()
        if owner is not None:
            owner.destroyed.connect(self._let_go)
        _living.add(self)

    def submit(
        self,
        key: Hashable,
        urgency: int,
        work: Work,
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Submit a job; lower-priority running work is cancelled and requeued."""
        job = Job(urgency, next(self._numbers), key, work, done, failed)
        with self._changed:
            self._forget(lambda other: other.key == key)
            heapq.heappush(self._waiting, job)
            current = self._current
            if current is not None and current.urgency > urgency and not current.stopped.is_set():
                again = replace(current, stopped=threading.Event())
                heapq.heappush(self._waiting, again)
                current.stopped.set()
            self._changed.notify()
        self._say()

    def beside(
        self, work: Work, done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """See :class:`JobQueue`."""
        job = Job(ASK, next(self._numbers), None, work, done, failed)
        name = "napari-segany beside"
        thread = threading.Thread(target=self._do, args=(job,), name=name, daemon=True)
        self._beside.append((job, thread))
        thread.start()

    def later(self, key: Hashable, act: Callable[[], object]) -> None:
        """See :class:`JobQueue`."""
        if not self._ended:
            self._later.pop(key, None)
            self._later[key] = act
            QTimer.singleShot(0, self._turn)

    def _turn(self) -> None:
        if self._later and not self._ended:
            self._later.pop(next(iter(self._later)))()
            self._say()

    def _say(self) -> None:
        # What only waits for its turn is done before anybody could see that it waits.
        at_work = bool(self._waiting or self._current is not None)
        if at_work != self._said:
            self._said = at_work
            self.busy_changed.emit(at_work)

    def stop(self, urgency: int = 0) -> None:
        """See :class:`JobQueue`."""
        with self._changed:
            self._forget(lambda other: other.urgency >= urgency)

    @property
    def busy(self) -> bool:
        """Whether anything is to be done, or was done and is not taken up yet."""
        at_work = self._waiting or self._current is not None or self._on_their_way or self._beside
        return bool(at_work or self._later)

    def wait(self) -> None:
        """Return when nothing is to be done any more; meanwhile windows go on."""
        while self.busy:
            QCoreApplication.processEvents()
            time.sleep(0.002)
        QCoreApplication.processEvents()

    def end(self, seconds: float = 10) -> None:
        """Stop everything, and wait for the threads to end, so long at most."""
        self._let_go()
        latest = time.monotonic() + seconds
        for thread in (self._thread, *(each for _, each in self._beside)):
            thread.join(max(0, latest - time.monotonic()))
        self._beside = [(job, thread) for job, thread in self._beside if thread.is_alive()]
        if not self._beside and not self._thread.is_alive():
            _living.discard(self)

    def _let_go(self) -> None:
        """Stop everything without waiting; nothing is delivered any more."""
        self._later.clear()
        with self._changed:
            self._forget(lambda other: True)
            self._ended, self._on_their_way = True, 0
            self._changed.notify()
        for job, _ in self._beside:
            job.stopped.set()

    def _forget(self, which: Callable[[Job], bool]) -> None:
        for job in [*self._waiting, *([self._current] if self._current else [])]:
            if which(job):
                job.stopped.set()
        self._waiting = [job for job in self._waiting if not job.stopped.is_set()]
        heapq.heapify(self._waiting)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                if self._ended:
                    return
                job = self._current = heapq.heappop(self._waiting)
            self._do(job)

    def _do(self, job: Job) -> None:
        result, error = None, None
        try:
            result = job.work(job.stopped.is_set)
        except Cancelled:
            job.stopped.set()
        except Exception as caught:
            error = caught
        with self._changed:
            if self._current is job:
                self._current = None
            if self._ended:
                return
            self._on_their_way += 1
        self._finished.emit(job, result, error)

    def _deliver(self, job: Job, result: Any, error: Exception | None) -> None:
        if self._ended:
            return
        with self._changed:
            self._on_their_way -= 1
        self._beside = [(other, thread) for other, thread in self._beside if other is not job]
        if not job.stopped.is_set():
            if error is not None:
                job.failed(error)
            else:
                job.done(result)
        self._say()


_living: "weakref.WeakSet[QtJobQueue]" = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End all threads before the interpreter does: one within torch would abort the process."""
    living = list(_living)
    for jobs in living:
        jobs._let_go()
    for jobs in living:
        jobs.end(AT_EXIT)
