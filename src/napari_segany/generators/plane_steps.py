"""Progress of a search that takes a fixed number of steps on any plane."""

import math

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check

STEPS = 100
"""Steps of a plane that are reported."""


def count_plane_steps(region: NDArray[np.bool_] | None = None) -> int:
    """Return the number of steps: the same on any plane, fewer for a part of it."""
    return STEPS if region is None else math.ceil(STEPS * float(region.mean()))


class PlaneSteps:
    """Progress of a plane, as a fraction that only grows.

    Parameters
    ----------
    steps : int
        Steps in all.
    progress : callable, optional
        Called with steps done and in all.
    should_stop : callable, optional
        Polled with every report.
    """

    def __init__(
        self, steps: int, progress: Progress | None, should_stop: ShouldStop | None
    ) -> None:
        self.should_stop = should_stop
        self._steps, self._progress, self._done = steps, progress, 0

    def advance(self, fraction: float) -> None:
        """Report a fraction of the plane; the last step is reported at 1."""
        check(self.should_stop)
        done = self._steps if fraction >= 1 else min(int(self._steps * fraction), self._steps - 1)
        if done > self._done:
            self._done = done
            if self._progress is not None:
                self._progress(done, self._steps)

    def part(self, first: float, last: float) -> Progress:
        """Return the progress of a part of the plane, between two fractions."""

        def report(done: int, total: int) -> None:
            self.advance(min(first + (last - first) * done / max(total, 1), 0.999))

        return report
