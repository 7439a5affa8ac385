"""Links of tracks that deserve a look, the most doubtful first."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.linking.tracks.observed_movie import frame_spacing
from napari_segany.linking.tracks.track_table import TrackTable

LEAST_CONFIDENCE = 0.5
"""Confidence below which a link is doubtful."""

JUMP = 4.0
"""Step, in usual steps of the track, from which on a link is doubtful."""

GROWTH = 1.6
"""Factor of sizes in neighbouring frames from which on a link is doubtful."""

LONE_DAUGHTER, BEGINS, ENDS = 0.9, 0.6, 0.5
"""Scores of divisions with one daughter, and of tracks that begin or end within the frame."""


@dataclass(frozen=True)
class Doubt:
    """A doubtful place of the tracks.

    Attributes
    ----------
    frame, track : int
        The object at which it is: the later one of a link.
    score : float
        Above 0 to 1; the most doubtful has the largest.
    reason : str
        The reason in words.
    """

    frame: int
    track: int
    score: float
    reason: str


def find_doubts(
    table: TrackTable,
    shape: Sequence[int] | None = None,
    accepted: Collection[tuple[int, int]] = (),
) -> list[Doubt]:
    """Rank doubtful links: unclear ones, jumps, changes of size, lone daughters, and loose ends.

    Parameters
    ----------
    table : TrackTable
        The tracks.
    shape : sequence of int, optional
        Shape of a frame. Tracks that begin or end at its border are not doubtful.
    accepted : collection
        Places to leave out: frame and track.

    Returns
    -------
    list of Doubt
        At most one for each object, the most doubtful first. Reasons of one object are joined.
    """
    gathered: dict[int, list[tuple[float, str]]] = {}

    def note(
        rows: NDArray[np.intp], scores: NDArray[np.float64], text: Callable[[int], str]
    ) -> None:
        for at, (row, score) in enumerate(zip(rows.tolist(), scores.tolist(), strict=True)):
            gathered.setdefault(row, []).append((score, text(at)))

    links = _Links(table)
    _note_unclear(table, links, note)
    _note_jumps(table, links, note)
    _note_sizes(table, links, shape, note)
    _note_ends(table, shape, note)
    found = []
    for row, reasons in gathered.items():
        place = int(table.frame[row]), int(table.track[row])
        if place not in accepted:
            reasons.sort(reverse=True)
            text = ", ".join(reason for _, reason in reasons)
            found.append(Doubt(*place, reasons[0][0], text))
    return sorted(found, key=lambda each: (-each.score, each.frame, each.track))


Note = Callable[[NDArray[np.intp], NDArray[np.float64], Callable[[int], str]], None]


class _Links:
    """Rows of a table that follow another row of their track, and those that they follow."""

    def __init__(self, table: TrackTable) -> None:
        order = np.lexsort((table.frame, table.track))
        same = np.diff(table.track[order]) == 0
        self.before, self.after = order[:-1][same], order[1:][same]


def _note_unclear(table: TrackTable, links: _Links, note: Note) -> None:
    firsts = [int(table.rows_of(child)[0]) for child in table.parents]
    rows = np.concatenate([links.after, np.array(firsts, np.intp)])
    confidence = table.confidence[rows]
    low = confidence < LEAST_CONFIDENCE
    rows, confidence = rows[low], confidence[low]
    note(rows, 1 - confidence, lambda at: f"unclear link (confidence {confidence[at]:.2f})")


def _note_jumps(table: TrackTable, links: _Links, note: Note) -> None:
    if not len(links.after):
        return
    spacing, unit = frame_spacing(table.pixel_size, table.axes)
    moved = (table.position[links.after] - table.position[links.before]) * spacing
    frames = table.frame[links.after] - table.frame[links.before]
    step = np.linalg.norm(moved, axis=1) / frames
    # The usual step of a track is not taken for less than that of all tracks.
    tracks, number = np.unique(table.track[links.after], return_inverse=True)
    usual = np.full(len(tracks), np.median(step))
    order = np.lexsort((step, number))
    counts = np.bincount(number)
    middle = np.cumsum(counts) - counts + counts // 2
    usual = np.maximum(usual, step[order][middle])[number]
    ratio = step / np.maximum(usual, 1e-9)
    far = np.flatnonzero((ratio > JUMP) & (step > 0))
    note(
        links.after[far],
        np.clip(1 - JUMP / (2 * ratio[far]), 0, 1),
        lambda at: f"moves {step[far[at]]:.3g} {unit} a frame, usually {usual[far[at]]:.2g}",
    )


def _note_sizes(table: TrackTable, links: _Links, shape: Sequence[int] | None, note: Note) -> None:
    one, two = table.area[links.before], table.area[links.after]
    factor = np.maximum(one, two) / np.maximum(np.minimum(one, two), 1)
    # At the border of the frame objects are cut.
    border = _at_border(table, shape)
    rows = np.flatnonzero((factor > GROWTH) & ~border[links.before] & ~border[links.after])
    note(
        links.after[rows],
        np.clip(1 - GROWTH / (2 * factor[rows]), 0, 1),
        lambda at: f"size changes by a factor of {factor[rows[at]]:.1f}",
    )


def _note_ends(table: TrackTable, shape: Sequence[int] | None, note: Note) -> None:
    if not len(table.frame):
        return
    children = table.children
    lone = [each[0] for each in children.values() if len(each) == 1]
    rows = np.array([int(table.rows_of(child)[0]) for child in lone], np.intp)
    note(rows, np.full(len(rows), LONE_DAUGHTER), lambda _: "division with one daughter")
    first, last = int(table.frame[0]), int(table.frame[-1])
    _, starts = np.unique(table.track, return_index=True)
    _, ends = np.unique(table.track[::-1], return_index=True)
    ends = len(table.track) - 1 - ends
    inside = ~_at_border(table, shape)
    has_parent = np.isin(table.track[starts], list(table.parents))
    loose = starts[(table.frame[starts] > first) & ~has_parent & inside[starts]]
    note(loose, np.full(len(loose), BEGINS), lambda _: "begins within the frame")
    divides = np.isin(table.track[ends], list(children))
    loose = ends[(table.frame[ends] < last) & ~divides & inside[ends]]
    note(loose, np.full(len(loose), ENDS), lambda _: "ends within the frame")


def _at_border(table: TrackTable, shape: Sequence[int] | None) -> NDArray[np.bool_]:
    """Return for each row if its object, taken for a disc, reaches the border of the frame."""
    if shape is None:
        return np.zeros(len(table.frame), bool)
    radius = np.sqrt(table.area / np.pi)
    # Depth says little about what leaves the frame: volumes have few sections.
    place = table.position[:, -2:]
    far = np.array(shape[-2:]) - 1 - place
    found: NDArray[np.bool_] = (np.minimum(place, far).min(axis=1)) <= 1.5 * radius
    return found
