"""How long computations report and stop: plain callables, so that any face can supply its own."""

from collections.abc import Callable

from napari_segany.errors import Cancelled

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` from the computing thread."""

ShouldStop = Callable[[], bool]
"""Polled from the computing thread; the computation ends soon after it returns True."""


def check(should_stop: ShouldStop | None) -> None:
    """Raise :class:`Cancelled` if the caller wants the computation to end."""
    if should_stop is not None and should_stop():
        raise Cancelled("Stopped on request; nothing was changed.")
