"""Many things done in the GUI thread, a few at a time, so that the window stays alive."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from napari_segany.plugin.workers import ASK, Jobs

T = TypeVar("T")

PORTION = 64
"""Objects begun or committed between two turns of the event loop."""


class Portions:
    """Acts on portions of a sequence, the first at once, the others each in a turn of its own.

    Parameters
    ----------
    jobs : Jobs
        Between two portions a job that does nothing is waited for; stopping jobs stops this.

    Attributes
    ----------
    at_work : bool
        Whether it is acting at this moment and more portions follow.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.at_work = False

    def act(
        self,
        key: str,
        items: Sequence[T],
        act: Callable[[Sequence[T], bool], object],
        done: Callable[[], object],
        failed: Callable[[Exception], None],
    ) -> None:
        """Act on all items.

        Parameters
        ----------
        key : str
            What is being done; beginning the same anew stops it.
        items : sequence
            What to act on.
        act : callable
            Called with a portion, and whether it goes on with an earlier one.
        done : callable
            Called after the last of several portions.
        failed : callable
            Called with an error of a later portion; one of the first is raised.
        """

        def go_on(start: int) -> None:
            last = start + PORTION >= len(items)
            self.at_work = not last
            try:
                act(items[start : start + PORTION], start > 0)
            finally:
                self.at_work = False
            if last and start:
                done()
            elif not last:
                self.jobs.submit(key, ASK, lambda should_stop: start + PORTION, later, failed)

        def later(start: int) -> None:
            try:
                go_on(start)
            except Exception as error:
                failed(error)

        go_on(0)
