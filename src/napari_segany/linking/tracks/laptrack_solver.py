"""Gaps and divisions between pieces of tracks, decided together by laptrack.

Links of neighbouring frames come from :mod:`.assignment`: laptrack would call Python for each pair
of objects to know their overlap. What remains is little, and laptrack solves it with these costs.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_params import TrackParams

MISSING = (
    "Gaps and divisions need laptrack, which is not installed; run "
    'pip install "napari-segany[tracks]".'
)
"""Sentence for users without laptrack."""


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

    def take(self, chosen: NDArray[np.bool_]) -> "Joints":
        """Return some of the candidates."""
        return Joints(self.pairs[chosen], self.cost[chosen])

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
    alone_gaps, alone_divisions = _without_rivals(gaps, divisions)
    closed, divided = alone_gaps.copy(), alone_divisions.copy()
    if not (closed.all() and divided.all()):
        rest = gaps.take(~alone_gaps), divisions.take(~alone_divisions)
        closed[~alone_gaps], divided[~alone_divisions] = _solve(
            frame_of, piece_of, *rest, max_steps
        )
    return closed, divided


def _without_rivals(gaps: Joints, divisions: Joints) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the joints whose objects are in no other one: nothing is to be decided there."""
    starts, of_start = np.unique(
        np.concatenate([gaps.pairs[:, 1], divisions.pairs[:, 1]]), return_inverse=True
    )
    lone_start = np.bincount(of_start, minlength=len(starts))[of_start] == 1
    found = []
    for joints, lone in zip(
        (gaps, divisions), np.split(lone_start, [len(gaps.pairs)]), strict=True
    ):
        _, number, count = np.unique(joints.pairs[:, 0], return_inverse=True, return_counts=True)
        found.append(lone & (count[number] == 1))
    return found[0], found[1]


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
    rows = _rows_to_show(frame_of, piece_of, np.concatenate([gaps.pairs, divisions.pairs]))
    node_of = _nodes(frame_of[rows])
    coordinates = _coordinates(frame_of[rows], rows)
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
    order = np.lexsort((frame_of[rows], piece_of[rows]))
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


def _rows_to_show(
    frame_of: NDArray[np.int64], piece_of: NDArray[np.intp], pairs: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return the rows of the candidates, with first and last rows of their pieces, by frame."""
    order = np.lexsort((frame_of, piece_of))
    pieces = piece_of[order]
    first = np.flatnonzero(np.diff(pieces, prepend=-1))
    last = np.append(first[1:], len(order)) - 1
    involved = np.unique(piece_of[pairs])
    rows = np.unique(np.concatenate([order[first[involved]], order[last[involved]], pairs.ravel()]))
    return rows[np.lexsort((rows, frame_of[rows]))]


def _nodes(frames: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return laptrack's name of each row: its frame, and its number in the frame."""
    starts = np.searchsorted(frames, frames)
    numbers = np.arange(len(frames)) - starts
    return list(zip(frames.tolist(), numbers.tolist(), strict=True))


def _coordinates(frames: NDArray[np.int64], rows: NDArray[np.intp]) -> list[NDArray[np.float64]]:
    """Return the rows of each frame as (n, 1) points."""
    cuts = np.searchsorted(frames, np.arange(1, int(frames[-1]) + 1))
    return [part[:, None].astype(np.float64) for part in np.split(rows, cuts)]
