"""Many things done in the GUI thread, a few at a time, so that the window stays alive."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from napari_segany.plugin.workers import Jobs

T = TypeVar("T")

PORTION = 50
"""Objects begun or committed between two turns of the event loop."""


class Portions:
    """Does something in turns of the event loop, the first at once.

    Parameters
    ----------
    jobs : Jobs
        Gives the turns.

    Attributes
    ----------
    at_work : bool
        Whether a turn is being taken at this moment.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.at_work = self._stopped = False

    def stop(self) -> None:
        """Do no more than what is done."""
        self._stopped = True

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
            What is being done; beginning the same anew stops it.
        act : callable
            Does a part, returns whether there is more to do.
        done : callable
            Called after the last part, and after an error.
        failed : callable
            Called with an error of a later part; one of the first is raised.
        """

        self._stopped = False

        def turn() -> None:
            self.at_work, more = True, False
            try:
                more = not self._stopped and act()
            finally:
                self.at_work = False
                if not more:
                    done()
            if more:
                self.jobs.later(key, later)

        def later() -> None:
            try:
                turn()
            except Exception as error:
                failed(error)

        turn()

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
