"""Interface of the background job queue; needs no Qt, so that controllers can use and test it."""

from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Any, Protocol

from napari_segany.core.callbacks import ShouldStop

Work = Callable[[ShouldStop], Any]
"""Function that a worker thread calls with a :data:`ShouldStop`."""


class Priority(IntEnum):
    """Order in which jobs run; the lowest value runs first."""

    REQUEST = 0
    """Direct request of the user."""
    VIEW = 1
    """Work on the plane in view."""
    AHEAD = 2
    """Work on planes that may come into view."""


class JobQueue(Protocol):
    """Queue of background jobs whose results are delivered in the GUI thread."""

    def submit(
        self,
        key: Hashable,
        priority: int,
        work: Work,
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Queue a job; an unfinished job with the same key is cancelled.

        Lower-priority running work is cancelled and requeued.

        Parameters
        ----------
        key : hashable
            Identity of the job.
        priority : int
            A :class:`Priority`.
        work : callable
            Called in the worker thread.
        done, failed : callable
            Called in the GUI thread with the result or the error; neither is called for a
            cancelled job.
        """
        ...

    def run_beside(
        self, work: Work, done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Run work at once in a thread of its own, which :meth:`cancel` does not affect."""
        ...

    def call_later(self, key: Hashable, act: Callable[[], object]) -> None:
        """Call a function in a later turn of the event loop; of equal keys only the last."""
        ...

    def cancel(self, priority: int = Priority.REQUEST) -> None:
        """Cancel all jobs of this or a lower priority; delayed calls are kept."""
        ...

    @property
    def busy(self) -> bool:
        """True if a job or a delayed call is pending."""
        ...
