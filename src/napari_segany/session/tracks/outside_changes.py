"""Tracks after pixels of frames were changed from outside, such as by a brush."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from napari_segany.errors import InputError
from napari_segany.linking.tracks.frame_edits import fits, update_objects
from napari_segany.linking.tracks.link_edits import join_tracks
from napari_segany.linking.tracks.track_edit import Relabel, TrackEdit, retracked, row_of
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.session.tracks.changes import Patch
from napari_segany.session.tracks.label_frames import LabelFrames

LEAST_OVERLAP = 0.3
"""IoU from which on a new track is linked to one in the frame before or after."""


def follow_pixels(
    table: TrackTable,
    frames: LabelFrames,
    changes: Mapping[int, Sequence[Patch]],
    next_id: int,
) -> tuple[TrackTable, list[Patch]]:
    """Return the tracks after frames were painted, and what has to be painted beside.

    Only objects whose pixels have changed are measured again. New tracks are linked to tracks that
    end before their first frame and begin after their last one, if they overlap.

    Parameters
    ----------
    table : TrackTable
        The tracks before; their ids are the labels of objects.
    frames : LabelFrames
        The labels after the changes; patches that are returned are written.
    changes : mapping
        The changes by frame.
    next_id : int
        Id of the next new track.
    """
    touched = {n for each in changes.values() for patch in each for n in _ids(patch)}
    known, next_id = set(table.spans), max(next_id, 1 + max(touched, default=0))
    fresh: dict[int, None] = {}
    more: list[Patch] = []
    for frame, patches in sorted(changes.items()):
        here = {n for patch in patches for n in _ids(patch)}
        masks = frames.measure(frame, sorted(here))
        gone = here - masks.keys()
        for track in list(masks):
            new = row_of(table, frame, track) is None
            if new and track in table.spans and not fits(table, frame, track):
                masks[next_id] = mask = masks.pop(track)
                patch = Patch.of(frame, mask, track, next_id)
                frames.apply([patch])
                more.append(patch)
                track, next_id = next_id, next_id + 1
            if track not in known:
                fresh[track] = None
        table = update_objects(table, frame, masks, gone)
    for track in fresh:
        if track in table.spans:
            table, relabels = link_track(table, frames, track)
            found = frames.patches_of(TrackEdit("", table, relabels))
            frames.apply(found)
            more += found
    return table, more


def _ids(patch: Patch) -> set[int]:
    return {patch.before, patch.after} - {0}


def link_track(
    table: TrackTable, frames: LabelFrames, track: int
) -> tuple[TrackTable, tuple[Relabel, ...]]:
    """Return the tracks with a new one linked to neighbouring frames, and its new ids.

    Parameters
    ----------
    table : TrackTable
        The tracks; their ids are the labels of objects.
    frames : LabelFrames
        Their labels.
    track : int
        The new track. It joins the one that it overlaps in the frame before, if that is free in all
        of its frames, and the one that begins in the frame after.
    """
    rows = table.rows_of(track)
    first, last = table.spans[track]
    where = table.frame[rows].tolist()
    relabels: list[Relabel] = []
    for other, overlap in _overlaps(table, frames, first, track, first - 1):
        free = all(row_of(table, frame, other) is None for frame in where)
        if free and all(fits(table, frame, other) for frame in where):
            confidence = {int(rows[0]): overlap}
            parents = {c: other if p == track else p for c, p in table.parents.items()}
            table = retracked(table, rows, other, parents, confidence)
            relabels += [Relabel(frame, track, other) for frame in where]
            track = other
            break
    painted = relabels[-1].before if relabels else track
    for other, overlap in _overlaps(table, frames, last, painted, last + 1):
        ends = table.spans[track][1] == last
        if ends and table.spans[other][0] == last + 1 and other not in table.parents:
            try:
                joined = join_tracks(table, track, other)
            except InputError:
                # It divides, or begins otherwise.
                continue
            row = row_of(joined.table, last + 1, track)
            confidences = joined.table.confidence.copy()
            confidences[row] = overlap
            table = replace(joined.table, confidence=confidences)
            relabels += joined.relabels
            break
    return table, tuple(relabels)


def _overlaps(
    table: TrackTable, frames: LabelFrames, frame: int, label: int, there: int
) -> list[tuple[int, float]]:
    """Return objects of a frame that overlap an object of another, with their IoU, best first."""
    mask = frames.mask(frame, label)
    if mask is None or not 0 <= there < len(frames.data):
        return []
    ids, counts = np.unique(frames.data[there][mask.box][mask.pixels], return_counts=True)
    found = []
    for track, shared in zip(ids.tolist(), counts.tolist(), strict=True):
        row = row_of(table, there, track) if track else None
        if row is not None:
            overlap = shared / (mask.area + int(table.area[row]) - shared)
            found.append((track, overlap))
    good = [each for each in found if each[1] >= LEAST_OVERLAP]
    return sorted(good, key=lambda each: (-each[1], each[0]))
