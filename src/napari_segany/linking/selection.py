"""Choice of objects and links in a run of planes, as one integer programme."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from napari_segany.errors import SeganyError
from napari_segany.linking.exclusion import exclusive_groups

MOST_BRANCHES = 2000
"""Branches of the search at most. A count, and no time, so that every machine stops at the same."""


TOGETHER = 1000
"""Candidates that are decided together, unless more of them depend on each other."""


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

    An object has at most one link to earlier and one to later planes. Candidates that neither
    links nor exclusion connect are decided apart from each other.

    Returns
    -------
    objects, links : ndarray
        (N,) and (L,) boolean.

    Raises
    ------
    SeganyError
        If given candidates exclude each other.
    """
    objects, links = np.zeros(len(problem.value), bool), np.zeros(len(problem.links), bool)
    if not len(objects):
        return objects, links
    group = _groups(problem)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max()) + 2))
    link_group = group[problem.links[:, 0]]
    pair_group = group[problem.exclusive[:, 0]]
    for number, (start, end) in enumerate(pairwise(starts.tolist())):
        nodes = np.sort(order[start:end])
        mine, pairs = np.flatnonzero(link_group == number), pair_group == number
        part = LinkProblem(
            problem.value[nodes],
            problem.given[nodes],
            np.searchsorted(nodes, problem.links[mine]),
            problem.gain[mine],
            np.searchsorted(nodes, problem.exclusive[pairs]),
        )
        objects[nodes], links[mine] = _solve_part(part)
    return objects, links


def _groups(problem: LinkProblem) -> NDArray[np.intp]:
    """Return a number of each candidate; those of different numbers do not depend on each other.

    Small groups share a number, as every call of the solver takes its time.
    """
    count = len(problem.value)
    ends = np.concatenate([problem.links, problem.exclusive])
    graph = csr_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, connected = connected_components(graph, directed=False)
    sizes = np.bincount(connected)
    number, filled = 0, 0
    numbers = np.zeros(len(sizes), np.intp)
    for which, size in enumerate(sizes.tolist()):
        if filled and filled + size > TOGETHER:
            number, filled = number + 1, 0
        numbers[which], filled = number, filled + size
    found: NDArray[np.intp] = numbers[connected]
    return found


def _solve_part(problem: LinkProblem) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the objects and links of candidates that depend on each other."""
    nodes, count = len(problem.value), len(problem.links)
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
