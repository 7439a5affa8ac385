"""Tracks without gaps, as the Cell Tracking Challenge wants them, and the way back."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.linking.tracks.track_table import TrackTable


@dataclass(frozen=True, eq=False)
class ContiguousTracks:
    """Tracks that have an object in each of their frames.

    Attributes
    ----------
    track : ndarray
        (n,) int64; the contiguous track of each row of a table.
    rows : ndarray
        (m, 4) int64; track, first frame, last frame and parent (0 without) of each, by track.
    """

    track: NDArray[np.int64]
    rows: NDArray[np.int64]


def split_at_gaps(table: TrackTable) -> ContiguousTracks:
    """Cut tracks at their gaps.

    The part before the first gap keeps the track's id. Each later part is a new track, above all
    ids of the table, whose parent is the part before it.

    Parameters
    ----------
    table : TrackTable
        The tracks.

    Returns
    -------
    ContiguousTracks
    """
    order = np.lexsort((table.frame, table.track))
    frame, track = table.frame[order], table.track[order]
    new = np.diff(track, prepend=0) != 0
    late = ~new & (np.diff(frame, prepend=0) > 1)
    starts = np.flatnonzero(new | late)
    ids = track[starts]
    is_late = late[starts]
    largest = int(track.max(initial=0))
    ids[is_late] = largest + 1 + np.arange(np.count_nonzero(is_late))
    ends = np.append(starts[1:], len(track)) - 1
    last_part = dict(zip(track[starts].tolist(), ids.tolist(), strict=True))
    rows = np.zeros((len(starts), 4), np.int64)
    rows[:, 0], rows[:, 1] = ids, frame[starts]
    rows[:, 2] = frame[ends] if len(starts) else 0
    rows[1:, 3] = np.where(is_late[1:], ids[:-1], 0)
    for row, first in zip(rows, ~is_late, strict=True):
        if first:
            row[3] = last_part.get(table.parents.get(int(row[0]), 0), 0)
    of_rows = np.empty(len(track), np.int64)
    of_rows[order] = np.repeat(ids, np.diff(np.append(starts, len(track))))
    return ContiguousTracks(of_rows, rows[np.argsort(rows[:, 0])])


def join_gaps(
    rows: Iterable[tuple[int, int, int, int]],
) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Join contiguous tracks that are one with gaps.

    A track goes on in the only daughter that it has if frames lie between the two. An only
    daughter in the next frame is a daughter.

    Parameters
    ----------
    rows : iterable of tuple
        Track, first frame, last frame and parent (0 without).

    Returns
    -------
    tracks : mapping
        The joined track of each track: the first of its parts.
    parents : mapping
        Parent of each joined track that has one.
    """
    rows = sorted(rows, key=lambda row: row[1])
    end = {track: last for track, _, last, _ in rows}
    daughters = Counter(parent for *_, parent in rows if parent)
    joined: dict[int, int] = {}
    parents: dict[int, int] = {}
    # Parents begin earlier, so they are there before their daughters.
    for track, first, _, parent in rows:
        joined[track] = track
        if parent and daughters[parent] == 1 and first > end[parent] + 1:
            joined[track] = joined[parent]
        elif parent:
            parents[track] = joined[parent]
    return joined, parents
