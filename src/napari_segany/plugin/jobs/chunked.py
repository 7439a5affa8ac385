"""Long work in the GUI thread, done in chunks so that the window stays responsive."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from napari_segany.plugin.jobs.queue import JobQueue

T = TypeVar("T")

CHUNK = 50
"""Items handled in the first turn of the event loop, however long they take."""

PART = 8
"""Items handled at once in later turns, before the clock is looked at."""

TURN = 0.01
"""Seconds after which a later turn ends. What an item takes varies by a factor of ten: writing into
a plane for the first time makes the system provide its memory."""


@dataclass(eq=False)
class _Task:
    """Unfinished task."""

    step: Callable[[], bool]
    ends: list[Callable[[], object]]
    failed: Callable[[Exception], None]
    cancelled: bool = False
    stepping: bool = True


class ChunkedTasks:
    """Tasks that run in turns of the event loop, the first turn at once.

    A new task starts after the unfinished ones before it are finished.

    Parameters
    ----------
    jobs : JobQueue
        Queue that gives the turns.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    running : bool
        True while steps are being executed.
    """

    def __init__(self, jobs: JobQueue, clock: Callable[[], float] = time.perf_counter) -> None:
        self.jobs, self._clock = jobs, clock
        self.running = False
        self._tasks: list[_Task] = []

    def cancel(self) -> None:
        """Cancel the remaining turns of all tasks."""
        for task in self._tasks:
            task.cancelled = True

    def finish(self) -> None:
        """Execute all remaining turns now."""
        while self._tasks and not self.running:
            self._try_turn(self._tasks[0])

    def repeat(
        self,
        key: str,
        step: Callable[[], bool],
        ends: Sequence[Callable[[], object]],
        failed: Callable[[Exception], None],
    ) -> None:
        """Repeat a step until it returns False: once now, then for :data:`TURN` seconds a turn.

        After it come the ends: at once if there was only one step, else each in a turn of its own.

        Parameters
        ----------
        key : str
            Identity of the delayed calls in the job queue.
        step : callable
            Does one part; returns True if more is left.
        ends : sequence of callable
            Called after the last step, and after an error.
        failed : callable
            Called with an error of a later turn; an error of the first one is raised.
        """
        self.finish()
        task = _Task(step, list(ends), failed)

        def next_turn() -> None:
            # finish() may have completed the task in the meantime.
            if task in self._tasks:
                self._try_turn(task)
                schedule()

        def schedule() -> None:
            if task in self._tasks:
                self.jobs.call_later(key, next_turn)

        self._tasks.append(task)
        try:
            self._do_steps(task, 0)
        finally:
            while not task.stepping and task.ends:
                self._end(task)
        schedule()

    def _do_steps(self, task: _Task, seconds: float) -> None:
        """Execute one step of a task, and further ones until some seconds have passed."""
        self.running, task.stepping = True, False
        latest = self._clock() + seconds
        try:
            more = not task.cancelled and task.step()
            while more and self._clock() < latest:
                more = not task.cancelled and task.step()
            task.stepping = more
        finally:
            self.running = False
            if not (task.stepping or task.ends):
                self._tasks.remove(task)

    def _end(self, task: _Task) -> None:
        """Call the next of the ends of a task, which is over after the last one."""
        end = task.ends.pop(0)
        if not task.ends:
            self._tasks.remove(task)
        end()

    def _try_turn(self, task: _Task) -> None:
        try:
            if task.stepping:
                self._do_steps(task, TURN)
            else:
                self._end(task)
        except Exception as error:
            task.failed(error)

    def for_each(
        self,
        key: str,
        items: Sequence[T],
        act: Callable[[Sequence[T], bool], object],
        ends: Sequence[Callable[[], object]],
        failed: Callable[[Exception], None],
        at_once: int = CHUNK,
    ) -> None:
        """Call ``act`` with chunks of the items, and with True from the second chunk on.

        The first chunk has ``at_once`` items, the others have :data:`PART`. See :meth:`repeat`.
        """
        left = list(items)

        def step() -> bool:
            continues = len(left) < len(items)
            count = PART if continues else at_once
            chunk = left[:count]
            del left[:count]
            act(chunk, continues)
            return bool(left)

        self.repeat(key, step, ends, failed)


def do_in_turns(
    jobs: JobQueue,
    key: str,
    parts: Iterator[object],
    failed: Callable[[Exception], object],
) -> None:
    """Do one part of some work now, and each further one in a turn of the event loop of its own.

    For parts that are long themselves, such as adding a layer to the viewer.

    Parameters
    ----------
    jobs : JobQueue
        Queue that gives the turns.
    key : str
        Identity of the work; what is left of earlier work with the same key is dropped.
    parts : iterator
        Does a part each time that it is advanced.
    failed : callable
        Called with an error of a later part, after which no other is done; an error of the first
        part is raised.
    """

    def next_turn() -> None:
        try:
            advance()
        except Exception as error:
            failed(error)

    def advance() -> None:
        for _ in parts:
            jobs.call_later(key, next_turn)
            return

    advance()
