"""Time that a search of several planes still takes, from its progress so far.

A plane is embedded before its first points are prompted, a crop before its own; the cost of an
embedding and the cost of a point are told apart. Planes that were finished are the measure of those
to come, step by step.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.point_grids import plan_crops

LATEST = 8
"""Finished planes whose mean time is that of a plane to come."""

RECENT = 0.4
"""Part of the time so far whose points tell how long the others take."""


class SearchClock:
    """Estimate of the time that is left of a search.

    Parameters
    ----------
    now : callable
        Returns the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.start()

    def start(self, planes: int = 1, points: Sequence[int] = ()) -> None:
        """Begin a search.

        Parameters
        ----------
        planes : int
            Planes of the search.
        points : sequence of int, optional
            Points of each crop of a plane in their order, each of which is embedded before. Without
            them all steps of a plane are taken for equally long.
        """
        self.planes = planes
        self._points = np.array(points, np.float64)
        self._begun = self._now()
        # Fractions of a plane that were done, with their times, of the plane in work.
        self._marks: list[tuple[float, float]] = []
        # The same, as fractions of the time, of the plane that was finished last; and its seconds.
        self._curve: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._durations: list[float] = []

    @property
    def finished(self) -> int:
        """Planes that are finished."""
        return len(self._durations)

    def finish_plane(self) -> None:
        """Note that the plane in work is finished, or cannot be searched."""
        now = self._now()
        taken = now - self._begun
        marks = [*self._marks, (1.0, taken)]
        if taken > 0 and len(marks) > 1:
            done, times = np.array([(0.0, 0.0), *marks]).T
            self._curve = np.maximum.accumulate(done), times / taken
        self._durations.append(taken)
        self._begun, self._marks = now, []

    def fraction(self, done: float, total: float) -> float:
        """Return the fraction of the whole search that is done, 0..1."""
        here = done / max(total, 1)
        return min((self.finished + here) / max(self.planes, 1), 1.0)

    def seconds_left(self, done: float, total: float) -> float:
        """Note the progress of the plane in work, and return the seconds until all planes are done.

        Parameters
        ----------
        done, total : number
            Steps of the plane that are done, and all of them.
        """
        spent, here = self._now() - self._begun, done / max(total, 1)
        self._marks.append((here, spent))
        others = max(self.planes - self.finished - 1, 0)
        if self._curve is not None:
            plane = float(np.mean(self._durations[-LATEST:]))
            left = plane * (1 - float(np.interp(here, *self._curve)))
        elif len(self._points) and self._points.sum() == total:
            left = self._left_of_points(done)
            plane = spent + left
        else:
            left = spent * (1 - here) / max(here, 1e-6)
            plane = spent + left
        return left + others * plane

    def _left_of_points(self, done: float) -> float:
        """Return the seconds left of the first plane, whose crops are embedded one by one.

        An embedding takes as long as the first one. Points take as long as the latest ones, because
        those of crops find more than those of the whole plane.
        """
        total = float(self._points.sum())
        ends = self._points.cumsum()
        spent = self._marks[-1][1]
        first, first_spent = self._marks[0][0] * total, self._marks[0][1]
        if done <= first:
            # Nothing tells embedding and points apart yet.
            return spent * (total - done) / max(done, 1)
        since = spent * (1 - RECENT)
        recent = next(mark for mark in self._marks if mark[1] >= min(since, spent))
        before, before_spent = (
            (recent[0] * total, recent[1])
            if recent[0] * total < done
            else (
                first,
                first_spent,
            )
        )
        begun, begun_before = (int(np.searchsorted(ends, n)) + 1 for n in (done, before))
        overall = (spent - first_spent) / (done - first)
        embedding = max(first_spent - first * overall, 0.0)
        latest = (spent - before_spent - (begun - begun_before) * embedding) / (done - before)
        each = max(latest, 0.0)
        return float((total - done) * each + (len(ends) - begun) * embedding)


def points_of_crops(shape: tuple[int, ...], params: FilterRules) -> list[int]:
    """Return the points of each crop of a plane of ``shape`` (H, W); none for a finder."""
    if not isinstance(params, AutomaticParams):
        return []
    return [len(crop.points) for crop in plan_crops((shape[0], shape[1]), params)]
