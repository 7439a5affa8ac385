"""Corrections of tracks as values: the table afterwards, and the objects whose pixels change."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_table import TrackTable

Box = tuple[slice, ...]
"""Part of a frame: a slice with start and stop for every axis."""

BY_HAND = 1.0
"""Confidence of a link that was made by hand."""


@dataclass(frozen=True, eq=False)
class FrameMask:
    """Mask of an object in a frame, within a box.

    Attributes
    ----------
    start : tuple of int
        First corner of the box in the frame.
    pixels : ndarray
        Boolean, of the size of the box.
    """

    start: tuple[int, ...]
    pixels: NDArray[np.bool_]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> "FrameMask":
        """Return the mask of a whole frame, cut to its pixels.

        Raises
        ------
        InputError
            If it has no pixel.
        """
        if not mask.any():
            raise InputError("The mask of an object has no pixel.")
        box = []
        for axis in range(mask.ndim):
            others = tuple(k for k in range(mask.ndim) if k != axis)
            inside = np.flatnonzero(mask.any(axis=others))
            box.append(slice(int(inside[0]), int(inside[-1]) + 1))
        return cls(tuple(side.start for side in box), mask[tuple(box)].copy())

    @property
    def box(self) -> Box:
        """The box in the frame."""
        sides = zip(self.start, self.pixels.shape, strict=True)
        return tuple(slice(start, start + length) for start, length in sides)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.pixels))

    @property
    def centroid(self) -> NDArray[np.float64]:
        """(D,) mean position of the pixels in the frame."""
        found: NDArray[np.float64] = np.argwhere(self.pixels).mean(axis=0) + self.start
        return found


@dataclass(frozen=True)
class Relabel:
    """Change of the id of all pixels of an object.

    Attributes
    ----------
    frame : int
        The frame.
    before, after : int
        Its ids; 0 afterwards deletes it.
    """

    frame: int
    before: int
    after: int


@dataclass(frozen=True, eq=False)
class Paint:
    """Pixels of a frame that become those of an object.

    Attributes
    ----------
    frame : int
        The frame.
    mask : FrameMask
        The pixels.
    after : int
        Its id.
    """

    frame: int
    mask: FrameMask
    after: int


@dataclass(frozen=True, eq=False)
class TrackEdit:
    """A correction of tracks whose ids are the labels of their objects.

    Attributes
    ----------
    name : str
        The correction in words, such as "join 3 and 7".
    table : TrackTable
        The tracks afterwards.
    relabels : tuple of Relabel
        Objects whose id changes, all at once.
    paints : tuple of Paint
        Pixels that are written after that, in order.
    """

    name: str
    table: TrackTable
    relabels: tuple[Relabel, ...] = ()
    paints: tuple[Paint, ...] = ()


def with_track_labels(table: TrackTable) -> TrackTable:
    """Return a table whose labels are the ids of tracks, as in relabelled frames."""
    return replace(table, label=table.track)


def check_labels(table: TrackTable) -> None:
    """Raise InputError unless the labels of a table are the ids of tracks."""
    if table.label is not table.track and not np.array_equal(table.label, table.track):
        raise InputError(
            "Only tracks whose ids are the labels of their objects can be corrected; "
            "relabel the frames first."
        )


def span_of(table: TrackTable, track: int) -> tuple[int, int]:
    """Return the first and last frame of a track; raise InputError if there is none."""
    check_labels(table)
    if track not in table.spans:
        raise InputError(f"There is no track {track}.")
    return table.spans[track]


def row_of(table: TrackTable, frame: int, track: int) -> int | None:
    """Return the row of a track in a frame; None if it has no object there."""
    rows = table.rows_at(frame)
    at = int(np.searchsorted(table.track[rows], track))
    found = rows.start + at
    return found if found < rows.stop and table.track[found] == track else None


def retracked(
    table: TrackTable,
    rows: NDArray[Any],
    ids: NDArray[np.int64] | int,
    parents: dict[int, int],
    confidence: dict[int, float] | None = None,
) -> TrackTable:
    """Return the table with other tracks for some rows, and with other parents.

    Parameters
    ----------
    table : TrackTable
        The tracks.
    rows : ndarray
        (m,) indices of rows.
    ids : ndarray or int
        (m,) their tracks.
    parents : dict
        All parents afterwards.
    confidence : dict, optional
        Confidence of some rows afterwards, by row.
    """
    track = table.track.copy()
    track[rows] = ids
    return rebuilt(table, {"track": track, "confidence": _changed(table, confidence)}, parents)


def with_parents(
    table: TrackTable, parents: dict[int, int], confidence: dict[int, float]
) -> TrackTable:
    """Return the table with other parents, and other confidences of some rows."""
    return replace(table, parents=parents, confidence=_changed(table, confidence))


def _changed(table: TrackTable, confidence: dict[int, float] | None) -> NDArray[np.float64]:
    if not confidence:
        return table.confidence
    changed = table.confidence.copy()
    changed[list(confidence)] = list(confidence.values())
    return changed


def rebuilt(table: TrackTable, columns: dict[str, Any], parents: dict[int, int]) -> TrackTable:
    """Return a table from columns in any order of rows; labels are the tracks.

    Parameters
    ----------
    table : TrackTable
        The tracks before; columns that are not given stay.
    columns : dict
        Columns by name, all of one length; "features" is a mapping.
    parents : dict
        All parents.
    """
    frame = columns.get("frame", table.frame)
    track = columns["track"]
    # Rows are almost in order, which a stable sort of one key makes use of.
    order = np.argsort(frame * (1 + track.max(initial=0)) + track, kind="stable")
    features = columns.get("features", table.features)
    ordered = track[order]
    return replace(
        table,
        frame=frame[order],
        track=ordered,
        label=ordered,
        position=columns.get("position", table.position)[order],
        area=columns.get("area", table.area)[order],
        confidence=columns.get("confidence", table.confidence)[order],
        features={name: column[order] for name, column in dict(features).items()},
        parents=parents,
    )
