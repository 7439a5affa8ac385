"""Assignment of the objects of two frames, one to one or to none, at the lowest cost."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching


def assign(pairs: NDArray[np.intp], cost: NDArray[np.float64], no_link: float) -> NDArray[np.bool_]:
    """Return the pairs that are linked.

    The sum of the costs is least, where two objects without a link cost ``no_link`` together.

    Parameters
    ----------
    pairs : ndarray
        (K, 2) indices of an object in each frame, 0 or more; no pair twice.
    cost : ndarray
        (K,) float64, 0 or more.
    no_link : float
        Above 0; pairs that cost as much or more are never linked.

    Returns
    -------
    ndarray
        (K,) bool; an object is in at most one of them.

    Examples
    --------
    >>> pairs = np.array([[0, 0], [0, 1], [1, 0]])
    >>> assign(pairs, np.array([0.1, 0.2, 0.3]), 1.0).tolist()
    [False, True, True]
    """
    linked = np.zeros(len(pairs), bool)
    usable = np.flatnonzero(cost < no_link)
    if not len(usable):
        return linked
    ones, one = np.unique(pairs[usable, 0], return_inverse=True)
    twos, two = np.unique(pairs[usable, 1], return_inverse=True)
    # Most objects have one partner that has no other: nothing is to be decided there.
    lone = (np.bincount(one)[one] == 1) & (np.bincount(two)[two] == 1)
    linked[usable[lone]] = True
    rest = usable[~lone]
    if len(rest):
        one, two = one[~lone], two[~lone]
        linked[rest] = _solve(one, two, cost[rest], (len(ones), len(twos)), no_link)
    return linked


def _solve(
    one: NDArray[np.intp],
    two: NDArray[np.intp],
    cost: NDArray[np.float64],
    shape: tuple[int, int],
    no_link: float,
) -> NDArray[np.bool_]:
    """Solve the assignment as a full matching, in which each object may go to a stand-in."""
    n, m = shape
    rows = np.concatenate([one, np.arange(n), n + np.arange(m), n + two])
    cols = np.concatenate([two, m + np.arange(n), np.arange(m), m + one])
    half = np.full(n + m, no_link / 2)
    # All entries are raised by 1, because zeros are no edges; a full matching has n + m of them.
    weight = 1 + np.concatenate([cost, half, np.zeros(len(one))])
    matrix = coo_array((weight, (rows, cols)), (n + m, n + m)).tocsr()
    matched, partner = min_weight_full_bipartite_matching(matrix)
    to_two = np.empty(n + m, np.intp)
    to_two[matched] = partner
    linked: NDArray[np.bool_] = to_two[one] == two
    return linked
