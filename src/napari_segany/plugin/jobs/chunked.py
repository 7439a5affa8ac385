"""Many things done in the GUI thread, a few at a time, so that the window stays alive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from napari_segany.plugin.jobs.queue import JobQueue

T = TypeVar("T")

PORTION = 50
"""Objects begun or committed between two turns of the event loop."""


@dataclass(eq=False)
class _Work:
    """What is on its way."""

    act: Callable[[], bool]
    done: Callable[[], object]
    failed: Callable[[Exception], None]
    stopped: bool = False


class ChunkedTasks:
    """Does something in turns of the event loop, the first at once.

    Whatever is begun next finds the one before finished.

    Parameters
    ----------
    jobs : JobQueue
        Gives the turns.

    Attributes
    ----------
    at_work : bool
        Whether a turn is being taken at this moment.
    """

    def __init__(self, jobs: JobQueue) -> None:
        self.jobs = jobs
        self.at_work = False
        self._works: list[_Work] = []

    def stop(self) -> None:
        """Do no more than what is done."""
        for work in self._works:
            work.stopped = True

    def finish(self) -> None:
        """Do all that is left, now."""
        while self._works and not self.at_work:
            self._try(self._works[0])

    def repeat(
        self,
        key: str,
        act: Callable[[], bool],
        done: Callable[[], object],
        failed: Callable[[Exception], None],
    ) -> None:
        """Act until there is nothing more to do.

        Parameters
        ----------
        key : str
            What is being done.
        act : callable
            Does a part, returns whether there is more to do.
        done : callable
            Called after the last part, and after an error.
        failed : callable
            Called with an error of a later part; one of the first is raised.
        """
        self.finish()
        work = _Work(act, done, failed)

        def later() -> None:
            # Somebody may have had it finished in the meantime.
            if work in self._works:
                self._try(work)
                go_on()

        def go_on() -> None:
            if work in self._works:
                self.jobs.later(key, later)

        self._works.append(work)
        self._turn(work)
        go_on()

    def _turn(self, work: _Work) -> None:
        self.at_work, more = True, False
        try:
            more = not work.stopped and work.act()
        finally:
            self.at_work = False
            if not more:
                self._works.remove(work)
                work.done()

    def _try(self, work: _Work) -> None:
        try:
            self._turn(work)
        except Exception as error:
            work.failed(error)

    def act(
        self,
        key: str,
        items: Sequence[T],
        act: Callable[[Sequence[T], bool], object],
        done: Callable[[], object],
        failed: Callable[[Exception], None],
    ) -> None:
        """Act on all items; ``act`` gets some, and whether it goes on with an earlier step."""
        left = list(items)

        def some() -> bool:
            going_on = len(left) < len(items)
            portion = left[:PORTION]
            del left[:PORTION]
            act(portion, going_on)
            return bool(left)

        self.repeat(key, some, done, failed)
