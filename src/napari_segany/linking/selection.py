"""Choice of objects and links in a run of planes, as one integer programme."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from napari_segany.errors import SeganyError
from napari_segany.linking.exclusion import exclusive_groups

MOST_BRANCHES = 2000
"""Branches of the search at most. A count, and no time, so that every machine stops at the same."""


@dataclass(frozen=True, eq=False)
class LinkProblem:
    """Candidates of some planes, and links between them.

    Attributes
    ----------
    value : ndarray
        (N,) gain of each candidate as an object.
    given : ndarray
        (N,) boolean, candidates that are objects whatever they gain.
    links : ndarray
        (L, 2) candidates, the first on an earlier plane.
    gain : ndarray
        (L,) gain of each link.
    exclusive : ndarray
        (K, 2) candidates that cannot both be objects.
    """

    value: NDArray[np.float64]
    given: NDArray[np.bool_]
    links: NDArray[np.intp]
    gain: NDArray[np.float64]
    exclusive: NDArray[np.intp]


def solve(problem: LinkProblem) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the objects and links with the greatest sum of gains.

    An object has at most one link to earlier and one to later planes.

    Returns
    -------
    objects, links : ndarray
        (N,) and (L,) boolean.
    """
    nodes, count = len(problem.value), len(problem.links)
    if not nodes:
        return np.zeros(0, bool), np.zeros(0, bool)
    gains = np.concatenate([problem.value, problem.gain])
    # Areas of millions of pixels beside some of ten are no numbers for a solver's tolerances.
    scale = max(float(np.abs(gains).mean()), 1e-9)
    found = milp(
        -gains / scale,
        integrality=np.concatenate([np.ones(nodes), np.zeros(count)]),
        bounds=Bounds(np.concatenate([problem.given, np.zeros(count)]).astype(float), 1.0),
        constraints=_constraints(problem),
        options={"mip_rel_gap": 0.0, "node_limit": MOST_BRANCHES},
    )
    if found.x is None:
        raise SeganyError(f"The objects of these planes cannot be linked ({found.message}).")
    chosen = found.x > 0.5
    return chosen[:nodes], chosen[nodes:]


def _constraints(problem: LinkProblem) -> LinearConstraint:
    """Return the rows of the programme: links need objects, and groups have one object."""
    nodes, count = len(problem.value), len(problem.links)
    columns = nodes + np.arange(count)
    every = np.arange(nodes)
    parts = []
    for side in (0, 1):
        # The links on one side of an object are at most one, and none without the object.
        rows = np.concatenate([problem.links[:, side], every])
        values = np.concatenate([np.ones(count), -np.ones(nodes)])
        parts.append((values, rows + side * nodes, np.concatenate([columns, every]), 0.0, nodes))
    groups = list(exclusive_groups(problem.exclusive))
    rows = np.repeat(np.arange(len(groups)), [len(g) for g in groups]).astype(np.intp)
    members = np.array([i for group in groups for i in group], np.intp)
    parts.append((np.ones(len(rows)), rows + 2 * nodes, members, 1.0, len(groups)))
    values, rows, cols = (np.concatenate([part[k] for part in parts]) for k in range(3))
    height = sum(part[4] for part in parts)
    matrix = csr_array((values, (rows, cols)), shape=(height, nodes + count))
    upper = np.concatenate([np.full(part[4], part[3]) for part in parts])
    return LinearConstraint(matrix, ub=upper)
