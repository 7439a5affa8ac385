"""Callbacks of long computations: progress, events of a batch, and stopping."""

from collections.abc import Callable
from dataclasses import dataclass

from napari_segany.errors import Cancelled

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` from the computing thread; ``total`` is 0 while unknown."""


@dataclass(frozen=True)
class BatchEvent:
    """Progress of work on many items.

    Attributes
    ----------
    name : str
        The item in work, such as an image.
    done : float
        Items that are finished, with a fraction for those in work.
    total : int
        The number of items.
    """

    name: str
    done: float
    total: int


OnBatchEvent = Callable[[BatchEvent], None]
"""Called with each event from the computing thread."""

ShouldStop = Callable[[], bool]
"""Polled from the computing thread; the computation ends soon after it returns True."""


def check(should_stop: ShouldStop | None) -> None:
    """Raise :class:`Cancelled` if the caller wants the computation to end."""
    if should_stop is not None and should_stop():
        raise Cancelled("Stopped on request; nothing was changed.")
