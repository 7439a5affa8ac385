"""Lines of progress for output that is no terminal."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

LINES_EVERY = 30.0
"""Seconds between two lines of progress."""


@dataclass
class TimedLines:
    """Lines of progress with the time left, for output that is no terminal.

    Attributes
    ----------
    name : str
        Name of the stage.
    say : callable
        Prints a line.
    clock : callable
        The time in seconds.
    most : float
        Seconds that the stage takes at most, because it is ended then.
    """

    name: str
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    most: float = inf
    _began: float = field(init=False)
    _said: float = field(init=False)
    _before: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._began = self._said = self.clock()

    def __call__(self, done: int, total: int) -> None:
        """Print a line if the last one is long ago, or all is done."""
        now = self.clock()
        if self._before is None:
            # The first call may come after work of an earlier run, which took no time now.
            self._before, self._began = done, now
        if done < total and now - self._said < LINES_EVERY:
            return
        self._said = now
        self.say(f"{self.name}: {done} of {total}{self._left(done, total, now)}")

    def _left(self, done: int, total: int, now: float) -> str:
        from napari_segany.cli.report import seconds

        made = done - (self._before or 0)
        if done >= total or made <= 0:
            return ""
        left = (now - self._began) / made * (total - done)
        return f", {seconds(min(left, max(self._began + self.most - now, 0.0)))} left"
