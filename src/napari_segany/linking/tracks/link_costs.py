"""Costs of links between the objects of two frames, from 0 (the same) to 1 (nothing in common)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_segany.linking.tracks.frame_shift import nearest_pairs
from napari_segany.linking.tracks.motion import no_motion
from napari_segany.linking.tracks.observed_movie import FramePair, ObservedMovie
from napari_segany.linking.tracks.track_params import TrackParams

USUAL_STEPS = 0.9
"""Part of the steps between nearest objects that the estimate of the largest step looks at."""

BEYOND_USUAL = 2.0
"""Largest step, in the length of the longest usual one. If steps are the same in all directions and
normally distributed, one in ten thousand is longer than that."""

DIFFERENT = 3.0
"""Change of brightness that counts as that of another object, in standard deviations of the
brightness of all objects."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of objects that may be linked.

    Attributes
    ----------
    pairs : ndarray
        (K, 2) intp; rows of the movie, the earlier one first, in ascending order.
    cost : ndarray
        (K,) float64, 0..1.
    """

    pairs: NDArray[np.intp]
    cost: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: "list[Candidates]") -> "Candidates":
        """Return the candidates of several pairs of frames as one."""
        empty = cls(np.zeros((0, 2), np.intp), np.zeros(0))
        parts = [empty, *parts]
        return cls(
            np.concatenate([each.pairs for each in parts]),
            np.concatenate([each.cost for each in parts]),
        )


def estimate_max_distance(movie: ObservedMovie) -> float:
    """Return the largest step of an object from frame to frame, estimated from a movie.

    It is twice the length that 9 of 10 steps between objects that are nearest to each other in
    neighbouring frames do not exceed, after the common shift of the frames; and at least the median
    diameter of objects, so that the daughters of an object are near it. Without objects it is 1.
    """
    if not len(movie.area):
        return 1.0
    steps = [np.zeros(0)]
    for pair in movie.neighbours:
        one, two = _rows(movie, pair)
        steps.append(nearest_pairs(movie.places[one] + pair.shift, movie.places[two])[2])
    length = np.concatenate(steps)
    usual = float(np.quantile(length, USUAL_STEPS)) if len(length) else 0.0
    return max(BEYOND_USUAL * usual, float(np.median(movie.diameters)))


def _rows(movie: ObservedMovie, pair: FramePair) -> tuple[slice, slice]:
    first = movie.first_row
    return (
        slice(first[pair.one], first[pair.one + 1]),
        slice(first[pair.two], first[pair.two + 1]),
    )


class LinkCosts:
    """Candidates of pairs of frames with their costs.

    The cost of a link is the weighted mean of its terms: the squared distance in parts of the
    largest one; 1 less the overlap, which is the mean of IoU and the part of the smaller one that
    both share; 1 less the ratio of sizes; the change of appearance, where it is known.

    Parameters
    ----------
    movie : ObservedMovie
        The objects.
    params : TrackParams
        Weights.
    max_distance : float
        Largest distance from where an object is expected in the next frame. Over several frames it
        grows with the square root of their number, as the way of an object that moves at random.

    Attributes
    ----------
    motion : Motion
        Steps that objects are expected to make.
    """

    def __init__(self, movie: ObservedMovie, params: TrackParams, max_distance: float) -> None:
        self._movie, self._params, self._max_distance = movie, params, max_distance
        self.motion = no_motion(movie)
        intensity, features = movie.gather("intensity"), movie.gather("features")
        # Features of the model have much in common; what is left tells objects apart.
        self._features = features - (features.mean(axis=0) if features.size else 0.0)
        self._intensity = intensity / _spread(intensity)

    def candidates(self, pair: FramePair) -> Candidates:
        """Return the pairs of objects of two frames that are near each other."""
        movie = self._movie
        one, two = _rows(movie, pair)
        steps = max(1, movie.frames[pair.two] - movie.frames[pair.one])
        reach = self._max_distance * np.sqrt(steps)
        near = cKDTree(self.expected(pair, one)).sparse_distance_matrix(
            cKDTree(movie.places[two]), reach, output_type="ndarray"
        )
        local = np.stack([near["i"], near["j"]], axis=1).astype(np.intp)
        order = np.lexsort((local[:, 1], local[:, 0]))
        local, distance = local[order], near["v"][order]
        pairs = local + np.array([one.start, two.start])
        return Candidates(pairs, self._cost(pairs, distance / reach, self._overlap(pair, local)))

    def expected(self, pair: FramePair, rows: slice | NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the (n, D) places in the later frame that rows of the earlier one are expected at.

        Parameters
        ----------
        pair : FramePair
            The frames.
        rows : slice or ndarray
            Rows of the earlier one.
        """
        steps = max(1, self._movie.frames[pair.two] - self._movie.frames[pair.one])
        ahead = self.motion.ahead(rows, steps)
        places: NDArray[np.float64] = self._movie.places[rows] + pair.shift + ahead
        return places

    def _overlap(self, pair: FramePair, local: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the overlap of pairs of objects, 0..1."""
        shared, width = pair.shared, len(self._movie.objects[pair.two])
        known = shared.pairs[:, 0] * width + shared.pairs[:, 1]
        wanted = local[:, 0] * width + local[:, 1]
        if not len(known):
            return np.zeros(len(local))
        at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        both = np.where(known[at] == wanted, shared.count[at], 0)
        one = self._movie.objects[pair.one].area[local[:, 0]]
        two = self._movie.objects[pair.two].area[local[:, 1]]
        overlap: NDArray[np.float64] = both / (one + two - both) + both / np.minimum(one, two)
        return overlap / 2

    def _cost(
        self,
        pairs: NDArray[np.intp],
        distance: NDArray[np.float64],
        overlap: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the weighted mean of the terms of each pair."""
        params, (one, two) = self._params, pairs.T
        area = self._movie.area
        size = 1 - np.minimum(area[one], area[two]) / np.maximum(area[one], area[two])
        terms = [
            (params.distance_weight, np.minimum(distance, 1) ** 2),
            (params.overlap_weight, 1 - overlap),
            (params.size_weight, size),
        ]
        looks = self._appearance(one, two)
        if looks is not None:
            terms.append((params.appearance_weight, looks))
        weights = sum(weight for weight, _ in terms)
        cost: NDArray[np.float64] = sum(weight * term for weight, term in terms) / weights
        return cost

    def _appearance(
        self, one: NDArray[np.intp], two: NDArray[np.intp]
    ) -> NDArray[np.float64] | None:
        """Return the change of appearance of pairs, 0..1; None if nothing is known of it."""
        known = []
        if self._intensity.shape[1]:
            change = np.abs(self._intensity[one] - self._intensity[two]).mean(axis=1)
            known.append(np.minimum(np.nan_to_num(change / DIFFERENT, nan=1.0), 1))
        if self._features.shape[1]:
            a, b = self._features[one], self._features[two]
            length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
            known.append((1 - (a * b).sum(axis=1) / np.maximum(length, 1e-12)) / 2)
        if not known:
            return None
        mean: NDArray[np.float64] = np.mean(known, axis=0)
        return mean


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of each column by its quartiles; 1 where it is 0."""
    if not values.size:
        return np.ones(values.shape[1])
    finite = np.where(np.isfinite(values), values, np.nan)
    if np.isnan(finite).all(axis=0).any():
        return np.ones(values.shape[1])
    low, high = np.nanquantile(finite, [0.25, 0.75], axis=0)
    spread: NDArray[np.float64] = (high - low) / 1.349
    return np.where(spread > 0, spread, 1.0)


def link_margin(
    candidates: Candidates, chosen: NDArray[np.bool_], no_link: float
) -> NDArray[np.float64]:
    """Return how clear chosen links are: 1 less their cost over that of the best alternative.

    An alternative is another candidate of either object, or no link at all.

    Parameters
    ----------
    candidates : Candidates
        All of them.
    chosen : ndarray
        (K,) bool; those that are links, at most one for each object.
    no_link : float
        Cost of no link.

    Returns
    -------
    ndarray
        (number of links,) float64 in 0..1; 0 where an alternative costs no more.
    """
    cost, pairs = candidates.cost, candidates.pairs
    best = np.full(int(chosen.sum()), no_link)
    for side in pairs.T:
        # The cheapest candidate of an object that is not its link.
        other = np.full(int(side.max(initial=-1)) + 1, np.inf)
        np.minimum.at(other, side[~chosen], cost[~chosen])
        best = np.minimum(best, other[side[chosen]])
    margin: NDArray[np.float64] = 1 - cost[chosen] / np.maximum(best, 1e-12)
    return np.clip(margin, 0, 1)
