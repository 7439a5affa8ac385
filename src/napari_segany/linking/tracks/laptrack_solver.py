"""Gaps and divisions between pieces of tracks, decided together by laptrack.

Links of neighbouring frames come from :mod:`.assignment`: laptrack would call Python for each pair
of objects to know their overlap. What remains is little, and laptrack solves it with these costs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_params import TrackParams

MISSING = (
    "Gaps and divisions need laptrack, which is not installed; run "
    'pip install "napari-segany[tracks]".'
)
"""Sentence for users without laptrack."""


TOGETHER = 30
"""Joints that laptrack is given at once, unless more of them depend on each other."""


def check_installed(params: TrackParams) -> None:
    """Raise InputError if parameters need laptrack, and it is not installed.

    Called before frames are read: whether a movie has anything that laptrack must decide shows
    only at the end.
    """
    if (params.divisions or params.max_gap) and find_spec("laptrack") is None:
        raise InputError(MISSING)


@dataclass(frozen=True, eq=False)
class Joints:
    """Candidates of connections between pieces of tracks.

    Attributes
    ----------
    pairs : ndarray
        (K, 2) intp; rows of the movie, the earlier one first, no pair twice.
    cost : ndarray
        (K,) float64, 0 or more and below 1: each is better than none.
    """

    pairs: NDArray[np.intp]
    cost: NDArray[np.float64]

    def as_dict(self) -> dict[tuple[float, float], float]:
        """Return the cost by pair."""
        keys = ((float(one), float(two)) for one, two in self.pairs.tolist())
        return dict(zip(keys, self.cost.tolist(), strict=True))


def solve_joints(
    frame_of: NDArray[np.int64],
    piece_of: NDArray[np.intp],
    gaps: Joints,
    divisions: Joints,
    max_steps: int,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the gaps that are closed and the divisions that are made.

    The end of a piece has at most one gap, the start of a piece one gap or division, an object one
    division.

    Parameters
    ----------
    frame_of : ndarray
        (N,) place of the frame of each row.
    piece_of : ndarray
        (N,) piece of each row, from 0; a piece has at most one row in a frame.
    gaps : Joints
        From the last row of a piece to the first one of another, two or more places later.
    divisions : Joints
        From a row, not the last of its piece, to the first row of a piece at the next place.
    max_steps : int
        Largest step of a gap in places.

    Returns
    -------
    closed, divided : ndarray
        bool, for each of the gaps and of the divisions.
    """
    count = len(gaps.pairs)
    pairs = np.concatenate([gaps.pairs, divisions.pairs])
    costs = np.concatenate([gaps.cost, divisions.cost])
    is_gap = np.arange(len(pairs)) < count
    chosen = np.zeros(len(pairs), bool)
    rivals = _rivals(pairs, is_gap, len(frame_of))
    # Nothing is to be decided about joints without a rival.
    size = np.bincount(rivals, minlength=1)
    chosen[size[rivals] == 1] = True
    for some in _portions(rivals, frame_of[pairs[:, 1]]):
        inside = is_gap[some]
        closed, divided = _solve(
            frame_of,
            piece_of,
            Joints(pairs[some][inside], costs[some][inside]),
            Joints(pairs[some][~inside], costs[some][~inside]),
            max_steps,
        )
        chosen[some[inside]], chosen[some[~inside]] = closed, divided
    return chosen[:count], chosen[count:]


def _rivals(pairs: NDArray[np.intp], is_gap: NDArray[np.bool_], rows: int) -> NDArray[np.int32]:
    """Return the group of each joint: joints that share an end, a parent or a start are in one."""
    # An end may also divide, so that ends and parents are counted apart.
    left = np.where(is_gap, pairs[:, 0], rows + pairs[:, 0])
    right = 2 * rows + pairs[:, 1]
    graph = coo_array((np.ones(len(pairs), bool), (left, right)), (3 * rows, 3 * rows))
    _, group = connected_components(graph, directed=False)
    _, numbers = np.unique(group[left], return_inverse=True)
    return numbers.astype(np.int32)


def _portions(rivals: NDArray[np.int32], frame: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Yield joints with rivals, whole groups at a time, in the order of frames.

    The time that laptrack takes grows with the square of what it is given at once.
    """
    size = np.bincount(rivals, minlength=1)
    joints = np.flatnonzero(size[rivals] > 1)
    first = np.full(len(size), np.iinfo(np.int64).max)
    np.minimum.at(first, rivals, frame)
    joints = joints[np.lexsort((joints, rivals[joints], first[rivals[joints]]))]
    starts = np.flatnonzero(np.diff(rivals[joints], prepend=-1))
    # A portion ends with the group in which it gets full.
    portion = starts // TOGETHER
    cuts = starts[1:][np.diff(portion) > 0]
    yield from (part for part in np.split(joints, cuts) if len(part))


def _solve(
    frame_of: NDArray[np.int64],
    piece_of: NDArray[np.intp],
    gaps: Joints,
    divisions: Joints,
    max_steps: int,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Let laptrack decide."""
    import laptrack

    lap_track: Any = laptrack.LapTrack
    rows = np.unique(np.concatenate([gaps.pairs, divisions.pairs]))
    rows = rows[np.lexsort((rows, frame_of[rows]))]
    frames = frame_of[rows] - frame_of[rows[0]]
    node_of = _nodes(frames)
    coordinates = _coordinates(frames, rows)
    # A point is the number of a row, and the metric looks up the cost of two rows. Links of
    # neighbouring frames are given, and a cutoff of 0 lets laptrack add none.
    gap_cost, division_cost = gaps.as_dict(), divisions.as_dict()
    tracker = lap_track(
        cutoff=0.0,
        gap_closing_metric=lambda end, start: gap_cost.get((end[0], start[0]), np.inf),
        gap_closing_cutoff=1.0 if gap_cost else False,
        gap_closing_max_frame_count=max_steps,
        splitting_metric=lambda start, parent: division_cost.get((parent[0], start[0]), np.inf),
        splitting_cutoff=1.0 if division_cost else False,
        # Two ends, or a start and an object that does not divide, cost 2 in place of a joint's cost
        # and the 1 that laptrack adds to it.
        segment_start_cost=1.0,
        segment_end_cost=1.0,
        no_splitting_cost=1.0,
        no_merging_cost=1.0,
    )
    order = np.lexsort((frames, piece_of[rows]))
    same = np.flatnonzero(np.diff(piece_of[rows][order]) == 0)
    known = [(node_of[a], node_of[b]) for a, b in zip(order[same], order[same + 1], strict=True)]
    graph = tracker.predict(coordinates, connected_edges=known)
    at = dict(zip(node_of, rows.tolist(), strict=True))
    made = {(at[one], at[two]) for one, two in graph.edges()}
    chosen = [
        np.array([tuple(pair) in made for pair in joints.pairs.tolist()], bool)
        for joints in (gaps, divisions)
    ]
    return chosen[0], chosen[1]


def _nodes(frames: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return laptrack's name of each row: its frame, and its number in the frame."""
    starts = np.searchsorted(frames, frames)
    numbers = np.arange(len(frames)) - starts
    return list(zip(frames.tolist(), numbers.tolist(), strict=True))


def _coordinates(frames: NDArray[np.int64], rows: NDArray[np.intp]) -> list[NDArray[np.float64]]:
    """Return the rows of each frame as (n, 1) points."""
    cuts = np.searchsorted(frames, np.arange(1, int(frames[-1]) + 1))
    return [part[:, None].astype(np.float64) for part in np.split(rows, cuts)]
