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
    done: Callable[[], object]
    failed: Callable[[Exception], None]
    cancelled: bool = False


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
        True while a turn is being executed.
    is_later : bool
        True in turns after the first, which the event loop gives and the clock ends.
    """

    def __init__(self, jobs: JobQueue, clock: Callable[[], float] = time.perf_counter) -> None:
        self.jobs, self._clock = jobs, clock
        self.running = self.is_later = False
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
        done: Callable[[], object],
        failed: Callable[[Exception], None],
    ) -> None:
        """Repeat a step until it returns False: once now, then for :data:`TURN` seconds a turn.

        Parameters
        ----------
        key : str
            Identity of the delayed calls in the job queue.
        step : callable
            Does one part; returns True if more is left.
        done : callable
            Called after the last step, and after an error.
        failed : callable
            Called with an error of a later step; an error of the first step is raised.
        """
        self.finish()
        task = _Task(step, done, failed)

        def next_turn() -> None:
            # finish() may have completed the task in the meantime.
            if task in self._tasks:
                self.is_later = True
                try:
                    self._try_turn(task)
                finally:
                    self.is_later = False
                schedule()

        def schedule() -> None:
            if task in self._tasks:
                self.jobs.call_later(key, next_turn)

        self._tasks.append(task)
        self._execute_turn(task, 0)
        schedule()

    def _execute_turn(self, task: _Task, seconds: float) -> None:
        """Execute one step of a task, and further ones until some seconds have passed."""
        self.running, more = True, False
        latest = self._clock() + seconds
        try:
            more = not task.cancelled and task.step()
            while more and self._clock() < latest:
                more = not task.cancelled and task.step()
        finally:
            self.running = False
            if not more:
                self._tasks.remove(task)
                task.done()

    def _try_turn(self, task: _Task) -> None:
        try:
            self._execute_turn(task, TURN)
        except Exception as error:
            task.failed(error)

    def for_each(
        self,
        key: str,
        items: Sequence[T],
        act: Callable[[Sequence[T], bool], object],
        done: Callable[[], object],
        failed: Callable[[Exception], None],
        at_once: int = CHUNK,
    ) -> None:
        """Call ``act`` with chunks of the items, and with True from the second chunk on.

        The first chunk has ``at_once`` items, the others have :data:`PART`.
        """
        left = list(items)

        def step() -> bool:
            continues = len(left) < len(items)
            count = PART if continues else at_once
            chunk = left[:count]
            del left[:count]
            act(chunk, continues)
            return bool(left)

        self.repeat(key, step, done, failed)


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
