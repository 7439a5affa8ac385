"""Job queue on one worker thread, with results delivered through Qt's event loop.

Jobs that need no model and must not wait for it run in threads of their own.
"""

import atexit
import heapq
import itertools
import logging
import threading
import time
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import qtpy
from qtpy.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_segany.errors import Cancelled
from napari_segany.plugin.jobs.notices import collecting_notices
from napari_segany.plugin.jobs.queue import Priority, Work

log = logging.getLogger(__name__)

EXIT_TIMEOUT = 60
"""Seconds that the interpreter waits at exit for cancelled jobs to end."""


@dataclass(order=True)
class Job:
    """One piece of work, ordered by priority, then by age."""

    priority: int
    number: int
    key: Hashable = field(compare=False)
    work: Work = field(compare=False)
    done: Callable[[Any], None] = field(compare=False)
    failed: Callable[[Exception], None] = field(compare=False)
    stopped: threading.Event = field(compare=False, default_factory=threading.Event)


class QtJobQueue(QObject):
    """Job queue with one worker thread, and extra threads for jobs beside it.

    See :class:`~napari_segany.plugin.jobs.queue.JobQueue` for the interface.

    Parameters
    ----------
    owner : QObject, optional
        Object whose destruction cancels all jobs. It is not the parent, because a running thread
        needs the queue until it ends.
    """

    busy_changed = Signal(bool)
    """Emitted in the GUI thread when the queue becomes busy or idle."""

    callback_failed = Signal(object)
    """Emitted with an exception that a callback in the GUI thread raised."""

    noticed = Signal(str, str)
    """Emitted in the GUI thread with kind and text of a warning of the library in a job."""

    _job_ended = Signal(object, object, object)

    def __init__(self, owner: QObject | None = None) -> None:
        super().__init__()
        self._waiting: list[Job] = []
        self._current: Job | None = None
        self._beside: list[tuple[Job, threading.Thread]] = []
        self._undelivered = 0
        self._delayed: dict[Hashable, Callable[[], object]] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._ended = self._reported_busy = False
        self._job_ended.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._run, name="napari-segany", daemon=True)
        self._thread.start()
        if owner is not None:
            owner.destroyed.connect(self._cancel_all)
        _living.add(self)

    def submit(
        self,
        key: Hashable,
        priority: int,
        work: Work,
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Queue a job; lower-priority running work is cancelled and requeued."""
        job = Job(priority, next(self._numbers), key, work, done, failed)
        with self._changed:
            self._cancel_if(lambda other: other.key == key)
            heapq.heappush(self._waiting, job)
            current = self._current
            if current is not None and current.priority > priority and not current.stopped.is_set():
                again = replace(current, stopped=threading.Event())
                heapq.heappush(self._waiting, again)
                current.stopped.set()
            self._changed.notify()
        self._report_busy()

    def run_beside(
        self, work: Work, done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Run work at once in a thread of its own."""
        job = Job(Priority.REQUEST, next(self._numbers), None, work, done, failed)
        name = "napari-segany beside"
        thread = threading.Thread(target=self._run_job, args=(job,), name=name, daemon=True)
        self._beside.append((job, thread))
        thread.start()

    def call_later(self, key: Hashable, act: Callable[[], object]) -> None:
        """Call a function in a later turn of the event loop."""
        if not self._ended:
            self._delayed.pop(key, None)
            self._delayed[key] = act
            # Qt posts calls after 0 ms, and does those that post the next one all in a row.
            QTimer.singleShot(1, self._call_next)

    def _call_next(self) -> None:
        if self._delayed and not self._ended:
            self._call_back(self._delayed.pop(next(iter(self._delayed))))
            self._report_busy()

    def _call_back(self, act: Callable[[], object]) -> None:
        """Call a callback; an exception in it is logged and emitted, never lost in Qt."""
        try:
            act()
        except Exception as error:
            log.exception("A callback of a job failed.")
            self.callback_failed.emit(error)

    def _report_busy(self) -> None:
        # Delayed calls run too soon to be worth showing.
        busy = bool(self._waiting or self._current is not None)
        if busy != self._reported_busy:
            self._reported_busy = busy
            self.busy_changed.emit(busy)

    def cancel(self, priority: int = Priority.REQUEST) -> None:
        """Cancel all jobs of this or a lower priority."""
        with self._changed:
            self._cancel_if(lambda other: other.priority >= priority)

    @property
    def busy(self) -> bool:
        """True if a job or a delayed call is pending, or a result is not delivered yet."""
        running = self._waiting or self._current is not None or self._undelivered or self._beside
        return bool(running or self._delayed)

    def wait(self) -> None:
        """Process GUI events until the queue is idle."""
        while self.busy:
            QCoreApplication.processEvents()
            time.sleep(0.002)
        QCoreApplication.processEvents()

    def shut_down(self, seconds: float = 10) -> None:
        """Cancel all jobs, and wait at most ``seconds`` for the threads to end."""
        self._cancel_all()
        latest = time.monotonic() + seconds
        for thread in (self._thread, *(each for _, each in self._beside)):
            thread.join(max(0, latest - time.monotonic()))
        self._beside = [(job, thread) for job, thread in self._beside if thread.is_alive()]
        if not self._beside and not self._thread.is_alive():
            _living.discard(self)

    def _cancel_all(self) -> None:
        """Cancel all jobs without waiting; no result is delivered any more."""
        self._delayed.clear()
        with self._changed:
            self._cancel_if(lambda other: True)
            self._ended, self._undelivered = True, 0
            self._changed.notify()
        for job, _ in self._beside:
            job.stopped.set()

    def _cancel_if(self, matches: Callable[[Job], bool]) -> None:
        for job in [*self._waiting, *([self._current] if self._current else [])]:
            if matches(job):
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
            self._run_job(job)

    def _run_job(self, job: Job) -> None:
        result, error = None, None
        try:
            with collecting_notices(self._tell):
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
            self._undelivered += 1
        self._job_ended.emit(job, result, error)

    def _tell(self, kind: str, text: str) -> None:
        if not self._ended:
            self.noticed.emit(kind, text)

    def _deliver(self, job: Job, result: Any, error: Exception | None) -> None:
        if self._ended:
            return
        with self._changed:
            self._undelivered -= 1
        self._beside = [(other, thread) for other, thread in self._beside if other is not job]
        if not job.stopped.is_set():
            if error is not None:
                self._call_back(lambda: job.failed(error))
            else:
                self._call_back(lambda: job.done(result))
        self._report_busy()


_living: "weakref.WeakSet[QtJobQueue]" = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End all threads before the interpreter does: a thread in torch would abort the process."""
    living = list(_living)
    for jobs in living:
        jobs._cancel_all()
    for jobs in living:
        jobs.shut_down(EXIT_TIMEOUT)
    # Also without a queue that lives: the dock that had one may have been closed before.
    _keep_windows()


def _keep_windows() -> None:
    """Leave windows that are still open to the end of the process.

    At exit PyQt destroys its objects while it walks over all of them. A window takes its hundreds
    of parts with it, and the walk may then meet one of those and crash.
    """
    if qtpy.PYQT6:
        from PyQt6 import sip

        # Its type says nothing of None, which its documentation does: C++ owns the window then.
        give_away: Any = sip.transferto
        for window in QApplication.topLevelWidgets():
            if sip.ispyowned(window):
                give_away(window, None)
