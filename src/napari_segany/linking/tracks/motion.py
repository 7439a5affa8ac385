"""Motion that objects keep from frame to frame, as far as a movie shows it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.linking.tracks.observed_movie import FramePair, ObservedMovie

FEWEST_STEPS = 10
"""Pairs of steps that a persistence is estimated from at least."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Steps that objects are expected to make.

    Attributes
    ----------
    last_step : ndarray
        (N, D) step of each row of the movie from the row before, less the common shift; 0 without.
    persistence : float
        Part of a step that is expected to be made again, 0..1.
    """

    last_step: NDArray[np.float64]
    persistence: float

    def ahead(self, rows: slice | NDArray[np.intp], steps: int) -> NDArray[np.float64]:
        """Return the (n, D) way of rows over so many frames, beside the common shift."""
        kept = sum(self.persistence**k for k in range(1, steps + 1))
        way: NDArray[np.float64] = kept * self.last_step[rows]
        return way


def no_motion(movie: ObservedMovie) -> Motion:
    """Return that no object is expected to move on its own."""
    return Motion(np.zeros(movie.places.shape), 0.0)


def estimate_motion(
    movie: ObservedMovie, before: NDArray[np.intp], confidence: NDArray[np.float64]
) -> Motion:
    """Return the motion that the links of neighbouring frames show.

    The persistence is the least-squares slope of steps over the steps before them, weighted by the
    confidence of both; 0 if it would be negative, or if there are too few.

    Parameters
    ----------
    movie : ObservedMovie
        The objects.
    before : ndarray
        (N,) row in the frame before that each row is linked to, -1 for none.
    confidence : ndarray
        (N,) of these links.
    """
    step = np.zeros(movie.places.shape)
    for pair in movie.neighbours:
        rows = np.arange(*movie.first_row[pair.two : pair.two + 2])
        rows = rows[before[rows] >= 0]
        step[rows] = _step(movie, pair, before[rows], rows)
    later = np.flatnonzero(before >= 0)
    later = later[before[before[later]] >= 0]
    if len(later) < FEWEST_STEPS:
        return no_motion(movie)
    earlier = before[later]
    weight = (confidence[later] * confidence[earlier])[:, None]
    together = float((weight * step[later] * step[earlier]).sum())
    alone = float((weight * step[earlier] ** 2).sum())
    slope = together / alone if alone > 0 else 0.0
    return Motion(step, min(max(slope, 0.0), 1.0))


def _step(
    movie: ObservedMovie, pair: FramePair, one: NDArray[np.intp], two: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the steps from rows of a frame to rows of the next one, for one frame's time."""
    frames = max(1, movie.frames[pair.two] - movie.frames[pair.one])
    steps: NDArray[np.float64] = (movie.places[two] - movie.places[one] - pair.shift) / frames
    return steps
