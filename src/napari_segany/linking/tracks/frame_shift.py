"""The shift that most objects of two frames share, such as a drift of the stage."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

FEWEST_PAIRS = 4
"""Pairs of objects that a shift is estimated from at least."""

SAMPLES = 200
"""Objects of a frame whose distances to all of the other one are looked at."""

ROUNDS = 4
"""Refinements of a shift."""

LEAST_GAIN = 0.05
"""Part of the objects by which a small shift must fit better than none."""

MOST = 0.6
"""Part of the objects that fit from which on no other shift is looked for."""

SURE_GAIN = 1.5
"""Square roots of the number of objects by which a large shift must fit better than none. Between
frames that have nothing in common the best shift fits better by 1.2 of them in one case of 50."""


def nearest_pairs(
    one: NDArray[np.float64], two: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the pairs of (n, D) and (m, D) places of which each is the nearest of the other.

    Returns
    -------
    first, second : ndarray
        (K,) indices, the first ones in ascending order.
    distance : ndarray
        (K,) float64.
    """
    distance, to_two = cKDTree(two).query(one)
    _, to_one = cKDTree(one).query(two)
    first = np.flatnonzero(to_one[to_two] == np.arange(len(one)))
    return first, to_two[first].astype(np.intp), distance[first]


def common_shift(
    one: NDArray[np.float64], two: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Return the way that most objects went from one frame to the other; zero if none is sure.

    Parameters
    ----------
    one, two : ndarray
        (n, D) and (m, D) centroids, in one unit along all axes.
    radius : float
        Usual radius of an object, above 0. Objects that lie apart by more do not fit.

    Returns
    -------
    ndarray
        (D,) float64.

    Examples
    --------
    >>> places = np.random.default_rng(0).uniform(0, 500, (30, 2))
    >>> common_shift(places, places + [40, -25], 6).round().tolist()
    [40.0, -25.0]
    """
    still = np.zeros(one.shape[1])
    if min(len(one), len(two)) < FEWEST_PAIRS:
        return still
    tree, count = cKDTree(two), min(len(one), len(two))

    def fit(shift: NDArray[np.float64]) -> float:
        distance, _ = tree.query(one + shift)
        return float(np.maximum(0, 1 - (distance / radius) ** 2).sum())

    resting = fit(still)
    near = _refine(one, two, still, radius)
    best, gain = still, 0.0
    if np.linalg.norm(near) <= radius and fit(near) - resting > LEAST_GAIN * count:
        best, gain = near, fit(near) - resting
    if resting + gain > MOST * count:
        return best
    far = _refine(one, two, _frequent_way(one, two, radius), radius)
    return far if fit(far) - resting > max(gain, SURE_GAIN * np.sqrt(count)) else best


def _frequent_way(
    one: NDArray[np.float64], two: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Return the middle of the bin that holds most of the ways from object to object."""
    some = one[:: -(-len(one) // SAMPLES)]
    ways = (two[None] - some[:, None]).reshape(-1, one.shape[1])
    bins = np.rint(ways / radius).astype(np.int64)
    bins -= bins.min(axis=0)
    codes = np.ravel_multi_index(tuple(bins.T), tuple(bins.max(axis=0) + 1))
    found, counts = np.unique(codes, return_counts=True)
    way: NDArray[np.float64] = np.median(ways[codes == found[counts.argmax()]], axis=0)
    return way


def _refine(
    one: NDArray[np.float64], two: NDArray[np.float64], shift: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """Return the median way of mutual nearest objects that are near after a shift."""
    for _ in range(ROUNDS):
        first, second, distance = nearest_pairs(one + shift, two)
        near = distance <= 2 * radius
        if near.sum() < FEWEST_PAIRS:
            return shift
        shift = np.median(two[second[near]] - one[first[near]], axis=0)
    return shift
