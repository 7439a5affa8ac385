"""Candidates of divisions: an object, the one it is linked to, and one that appears beside that."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_segany.linking.tracks.observed_movie import FramePair, ObservedMovie

LARGEST_DAUGHTER = 0.9
"""Size of a daughter in that of its parent, at most."""

LEAST_LIKE = 1 / 3
"""Size of the smaller daughter in that of the larger one, at least."""

LARGEST_COST = 0.6
"""Cost from which on three objects are no parent with daughters."""


@dataclass(frozen=True, eq=False)
class DivisionCandidates:
    """Triples of objects that may be a parent and its daughters.

    Attributes
    ----------
    parent, follower, newcomer : ndarray
        (K,) intp rows of the movie: the parent; the daughter that it is linked to; the daughter
        that appears, in the frame of that one.
    cost : ndarray
        (K,) float64, 0..1; below :data:`LARGEST_COST`.
    """

    parent: NDArray[np.intp]
    follower: NDArray[np.intp]
    newcomer: NDArray[np.intp]
    cost: NDArray[np.float64]

    def take(self, chosen: NDArray[np.bool_]) -> "DivisionCandidates":
        """Return some of the candidates."""
        return DivisionCandidates(
            self.parent[chosen], self.follower[chosen], self.newcomer[chosen], self.cost[chosen]
        )

    @classmethod
    def joined(cls, parts: "list[DivisionCandidates]") -> "DivisionCandidates":
        """Return the candidates of several pairs of frames as one."""
        none = np.zeros(0, np.intp)
        columns = zip(
            (none, none, none, np.zeros(0)),
            *((each.parent, each.follower, each.newcomer, each.cost) for each in parts),
            strict=True,
        )
        return cls(*(np.concatenate(column) for column in columns))


def find_divisions(
    movie: ObservedMovie,
    pair: FramePair,
    links: NDArray[np.intp],
    expected: NDArray[np.float64],
    reach: float,
) -> DivisionCandidates:
    """Return the plausible divisions between two frames.

    A daughter has at most 0.9 of the size of its parent, and at least a third of that of the other.
    The cost is the mean of three terms, each at most 1 and else the objects are no candidate: the
    squared distance of the daughters' common centre from where the parent is expected, in its
    radius or half the reach, whichever is longer; the binary logarithm of the ratio of the sizes of
    both daughters to that of the parent; 1 less the ratio of the daughters' sizes.

    Parameters
    ----------
    movie : ObservedMovie
        The objects.
    pair : FramePair
        The frames.
    links : ndarray
        (L, 2) linked rows, the earlier ones in the first frame.
    expected : ndarray
        (L, D) places that the earlier ones are expected at in the later frame.
    reach : float
        Largest distance of a daughter from there.
    """
    first, last = movie.first_row[pair.two : pair.two + 2]
    followed = np.zeros(last - first, bool)
    followed[links[:, 1] - first] = True
    newcomers = first + np.flatnonzero(~followed)
    none = DivisionCandidates.joined([])
    if not (len(newcomers) and len(links)):
        return none
    near = cKDTree(expected).sparse_distance_matrix(
        cKDTree(movie.places[newcomers]), reach, output_type="ndarray"
    )
    which, new = near["i"].astype(np.intp), near["j"].astype(np.intp)
    order = np.lexsort((which, new))
    which, newcomer = which[order], newcomers[new[order]]
    parent, follower = links[which].T
    sizes = [movie.area[rows].astype(np.float64) for rows in (parent, follower, newcomer)]
    both = sizes[1] + sizes[2]
    centre = movie.places[follower] * (sizes[1] / both)[:, None]
    centre += movie.places[newcomer] * (sizes[2] / both)[:, None]
    # Both daughters move on, too; half the reach is a long step of an object that moves much.
    scale = np.maximum(movie.diameters[parent], reach) / 2
    away = np.linalg.norm(centre - expected[which], axis=1) / scale
    ratio = np.abs(np.log2(both / sizes[0]))
    unlike = 1 - np.minimum(sizes[1], sizes[2]) / np.maximum(sizes[1], sizes[2])
    cost = (away**2 + ratio + unlike) / 3
    small = np.maximum(sizes[1], sizes[2]) <= LARGEST_DAUGHTER * sizes[0]
    alike = unlike <= 1 - LEAST_LIKE
    good = small & alike & (away <= 1) & (ratio <= 1) & (cost < LARGEST_COST)
    return DivisionCandidates(parent, follower, newcomer, cost).take(good)
