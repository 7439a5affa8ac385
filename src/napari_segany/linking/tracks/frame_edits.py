"""Tracks after the pixels of a frame were changed from outside."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from napari_segany.linking.tracks.object_edits import unknown_features, without_rows
from napari_segany.linking.tracks.track_edit import FrameMask, check_labels, rebuilt, row_of
from napari_segany.linking.tracks.track_table import TrackTable


def update_objects(
    table: TrackTable, frame: int, masks: Mapping[int, FrameMask], gone: Collection[int]
) -> TrackTable:
    """Return the tracks after objects of a frame were painted, added or deleted.

    Parameters
    ----------
    table : TrackTable
        The tracks; their ids are the labels of objects.
    frame : int
        The frame.
    masks : mapping
        Masks of new and changed objects, by track. A track that is not there begins here.
    gone : collection of int
        Tracks without a pixel in the frame.

    Raises
    ------
    InputError
        If an object of a track lies on the wrong side of a division; see :func:`fits`.
    """
    check_labels(table)
    rows = {track: row_of(table, frame, track) for track in masks}
    changed = {track: row for track, row in rows.items() if row is not None}
    new = [track for track, row in rows.items() if row is None]
    position, area = table.position.copy(), table.area.copy()
    for track, row in changed.items():
        position[row], area[row] = masks[track].centroid, masks[track].area
    count = len(table.frame)
    features = {
        name: np.append(column, np.zeros(len(new), column.dtype))
        for name, column in table.features.items()
    }
    stale = np.array([*changed.values(), *range(count, count + len(new))], np.intp)
    centroids = [masks[track].centroid for track in new]
    columns: dict[str, Any] = {
        "frame": np.append(table.frame, np.full(len(new), frame)),
        "track": np.append(table.track, np.array(new, np.int64)),
        "position": np.concatenate([position, np.reshape(centroids, (-1, position.shape[1]))]),
        "area": np.append(area, [masks[track].area for track in new]).astype(np.int64),
        "confidence": np.append(table.confidence, np.full(len(new), np.nan)),
        "features": unknown_features(features, stale),
    }
    updated = rebuilt(table, columns, dict(table.parents))
    lost = [row_of(updated, frame, track) for track in gone]
    left = np.array([row for row in lost if row is not None], np.intp)
    return without_rows(updated, left) if len(left) else updated


def fits(table: TrackTable, frame: int, track: int) -> bool:
    """Return True if a track may have an object in a frame: after its parent, before a division."""
    parent = table.parents.get(track)
    if parent is not None and table.spans[parent][1] >= frame:
        return False
    return all(table.spans[child][0] > frame for child in table.children.get(track, ()))
