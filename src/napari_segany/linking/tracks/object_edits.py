"""Corrections of objects of tracks: delete, merge, split, add."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_edit import (
    FrameMask,
    Paint,
    Relabel,
    TrackEdit,
    check_labels,
    rebuilt,
    row_of,
    span_of,
)
from napari_segany.linking.tracks.track_table import DIMENSIONS, TrackTable


def delete_object(table: TrackTable, frame: int, track: int) -> TrackEdit:
    """Delete the object of a track in a frame; a track without objects is gone.

    Raises
    ------
    InputError
        If the track has no object in the frame.
    """
    row = _existing_row(table, frame, track)
    left = without_rows(table, np.array([row]))
    return TrackEdit(f"delete {track} in frame {frame}", left, (Relabel(frame, track, 0),))


def delete_track(table: TrackTable, track: int) -> TrackEdit:
    """Delete all objects of a track; its daughters have no parent any more."""
    span_of(table, track)
    rows = table.rows_of(track)
    relabels = tuple(Relabel(frame, track, 0) for frame in table.frame[rows].tolist())
    return TrackEdit(f"delete {track}", without_rows(table, rows), relabels)


def merge_objects(table: TrackTable, frame: int, tracks: Sequence[int]) -> TrackEdit:
    """Merge objects of a frame into one, which belongs to the first track.

    Parameters
    ----------
    table : TrackTable
        The tracks; their ids are the labels of objects.
    frame : int
        The frame.
    tracks : sequence of int
        Two tracks or more.

    Raises
    ------
    InputError
        If a track has no object in the frame, or fewer than two are given.
    """
    if len(set(tracks)) < 2:
        raise InputError("Choose two objects to merge.")
    kept, *others = dict.fromkeys(tracks)
    rows = np.array([_existing_row(table, frame, track) for track in (kept, *others)])
    area = table.area[rows]
    position, areas = table.position.copy(), table.area.copy()
    position[rows[0]] = (table.position[rows] * area[:, None]).sum(axis=0) / area.sum()
    areas[rows[0]] = area.sum()
    changed = rebuilt(
        table,
        {
            "track": table.track,
            "position": position,
            "area": areas,
            "features": unknown_features(table.features, rows[:1]),
        },
        dict(table.parents),
    )
    relabels = tuple(Relabel(frame, other, kept) for other in others)
    named = " and ".join(map(str, (kept, *others)))
    return TrackEdit(f"merge {named} in frame {frame}", without_rows(changed, rows[1:]), relabels)


def split_object(
    table: TrackTable, frame: int, track: int, masks: tuple[FrameMask, FrameMask], other: int
) -> TrackEdit:
    """Split the object of a track in a frame into two.

    Parameters
    ----------
    table : TrackTable
        The tracks; their ids are the labels of objects.
    frame : int
        The frame.
    track : int
        The track, which keeps the first part.
    masks : tuple of FrameMask
        The two parts, which together are the object.
    other : int
        Track of the second part: one that has no object in this frame, or a new id.

    Raises
    ------
    InputError
        If the track has no object in the frame, the other track has one, or the parts do not have
        as many pixels as the object.
    """
    row = _existing_row(table, frame, track)
    total = sum(mask.area for mask in masks)
    if total != table.area[row]:
        raise InputError(
            f"The parts have {total} pixels together, object {track} has {table.area[row]}."
        )
    measured = _remeasured(table, row, masks[0])
    edited = _with_object(measured, frame, other, masks[1])
    paints = (Paint(frame, masks[0], track), Paint(frame, masks[1], other))
    return TrackEdit(f"split {track} in frame {frame}", edited, paints=paints)


def add_object(
    table: TrackTable, frame: int, track: int, mask: FrameMask, confidence: float = np.nan
) -> TrackEdit:
    """Add an object in a frame, to a track that is missing there or as a new track.

    Parameters
    ----------
    table : TrackTable
        The tracks; their ids are the labels of objects.
    frame : int
        The frame, 0 or more.
    track : int
        The track, or a new id.
    mask : FrameMask
        Its pixels, which belong to no object.
    confidence : float
        Confidence of the link to the object before, 0 to 1.

    Raises
    ------
    InputError
        If the track has an object in the frame.
    """
    edited = _with_object(table, frame, track, mask, confidence)
    return TrackEdit(f"add {track} in frame {frame}", edited, paints=(Paint(frame, mask, track),))


def _existing_row(table: TrackTable, frame: int, track: int) -> int:
    span_of(table, track)
    row = row_of(table, frame, track)
    if row is None:
        raise InputError(f"Track {track} has no object in frame {frame}.")
    return row


def without_rows(table: TrackTable, rows: NDArray[np.intp]) -> TrackTable:
    """Return the table without some rows; links without one of their ends have no confidence."""
    kept = np.ones(len(table.frame), bool)
    kept[rows] = False
    left = table.take(kept)
    orphans = table.parents.keys() - left.parents.keys()
    pairs = zip(table.frame[rows].tolist(), table.track[rows].tolist(), strict=True)
    beheaded = {track for frame, track in pairs if table.spans[track][0] == frame}
    begins = [t for t in orphans | beheaded if t in left.spans and t not in left.parents]
    if not begins:
        return left
    confidence = left.confidence.copy()
    confidence[[int(left.rows_of(t)[0]) for t in begins]] = np.nan
    return replace(left, confidence=confidence)


def _remeasured(table: TrackTable, row: int, mask: FrameMask) -> TrackTable:
    """Return the table with another mask for an object."""
    position, area = table.position.copy(), table.area.copy()
    position[row], area[row] = mask.centroid, mask.area
    features = unknown_features(table.features, np.array([row]))
    columns: dict[str, Any] = {"position": position, "area": area, "features": features}
    return rebuilt(table, {"track": table.track, **columns}, dict(table.parents))


def _with_object(
    table: TrackTable, frame: int, track: int, mask: FrameMask, confidence: float = np.nan
) -> TrackTable:
    """Return the table with one more object."""
    check_labels(table)
    if track < 1 or frame < 0:
        raise InputError(f"Frames are 0 or more and tracks 1 or more, got {frame} and {track}.")
    if row_of(table, frame, track) is not None:
        raise InputError(f"Track {track} has an object in frame {frame} already.")
    if len(mask.start) != DIMENSIONS[table.axes]:
        raise InputError(f"A mask has {len(mask.start)} axes; those of a frame are {table.axes}.")
    count = len(table.frame)
    features = {
        name: np.append(column, np.zeros(1, column.dtype))
        for name, column in table.features.items()
    }
    columns: dict[str, Any] = {
        "frame": np.append(table.frame, frame),
        "track": np.append(table.track, track),
        "position": np.concatenate([table.position, mask.centroid[None]]),
        "area": np.append(table.area, mask.area),
        "confidence": np.append(table.confidence, confidence),
        "features": unknown_features(features, np.array([count])),
    }
    return rebuilt(table, columns, dict(table.parents))


def unknown_features(
    features: Mapping[str, NDArray[Any]], rows: NDArray[np.intp]
) -> dict[str, Any]:
    """Return features with no value in some rows: NaN, zero or an empty text."""
    found: dict[str, Any] = {}
    for name, column in features.items():
        changed = column.copy()
        changed[rows] = np.nan if column.dtype.kind == "f" else np.zeros(1, column.dtype)
        found[name] = changed
    return found
