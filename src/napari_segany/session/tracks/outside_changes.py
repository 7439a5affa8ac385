"""Tracks after pixels of a frame were changed from outside, such as by a brush."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_segany.errors import InputError
from napari_segany.linking.tracks.frame_edits import fits, update_objects
from napari_segany.linking.tracks.link_edits import join_tracks
from napari_segany.linking.tracks.track_edit import FrameMask, Relabel, TrackEdit, retracked, row_of
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.session.tracks.changes import Patch
from napari_segany.session.tracks.label_frames import LabelFrames

LEAST_OVERLAP = 0.3
"""IoU from which on a new object is linked to one in the frame before or after."""


def follow_pixels(
    table: TrackTable, frames: LabelFrames, frame: int, patches: Sequence[Patch], next_id: int
) -> tuple[TrackTable, list[Patch]]:
    """Return the tracks after a frame was painted, and what has to be painted beside.

    Only objects whose pixels have changed are measured again. New ones are linked to tracks that
    end before the frame and begin after it, if they overlap.

    Parameters
    ----------
    table : TrackTable
        The tracks before; their ids are the labels of objects.
    frames : LabelFrames
        The labels after the change; patches that are returned are written.
    frame : int
        The frame.
    patches : sequence of Patch
        The change.
    next_id : int
        Id of the next new track.
    """
    touched = {n for patch in patches for n in (patch.before, patch.after)} - {0}
    masks = frames.measure(frame, sorted(touched))
    gone = touched - masks.keys()
    new = [track for track in masks if row_of(table, frame, track) is None]
    next_id = max(next_id, 1 + max(touched))
    more: list[Patch] = []
    fresh = [track for track in new if track not in table.spans]
    for track in new:
        if track in table.spans and not fits(table, frame, track):
            masks[next_id] = mask = masks.pop(track)
            patch = Patch.of(frame, mask, track, next_id)
            frames.apply([patch])
            more.append(patch)
            fresh.append(next_id)
            next_id += 1
    table = update_objects(table, frame, masks, gone)
    for track in fresh:
        table, relabels = _link(table, frames, frame, track, masks[track])
        found = frames.patches_of(TrackEdit("", table, relabels))
        frames.apply(found)
        more += found
    return table, more


def _link(
    table: TrackTable, frames: LabelFrames, frame: int, track: int, mask: FrameMask
) -> tuple[TrackTable, tuple[Relabel, ...]]:
    """Return the tracks with a new object linked to neighbouring frames, and its new ids."""
    relabels: list[Relabel] = []
    area = mask.area
    for other, overlap in _overlaps(table, frames, frame - 1, mask, area):
        if row_of(table, frame, other) is None and fits(table, frame, other):
            row = row_of(table, frame, track)
            assert row is not None
            table = retracked(table, np.array([row]), other, dict(table.parents), {row: overlap})
            relabels.append(Relabel(frame, track, other))
            track = other
            break
    for other, overlap in _overlaps(table, frames, frame + 1, mask, area):
        ends = table.spans[track][1] == frame
        if ends and table.spans[other][0] == frame + 1 and other not in table.parents:
            try:
                joined = join_tracks(table, track, other)
            except InputError:
                # It divides, or begins otherwise.
                continue
            row = row_of(joined.table, frame + 1, track)
            confidence = joined.table.confidence.copy()
            confidence[row] = overlap
            table = replace(joined.table, confidence=confidence)
            relabels += joined.relabels
            break
    return table, tuple(relabels)


def _overlaps(
    table: TrackTable, frames: LabelFrames, frame: int, mask: FrameMask, area: int
) -> list[tuple[int, float]]:
    """Return objects of a frame that overlap a mask, with their IoU, best first."""
    if not 0 <= frame < len(frames.data):
        return []
    ids, counts = np.unique(frames.data[frame][mask.box][mask.pixels], return_counts=True)
    found = []
    for track, shared in zip(ids.tolist(), counts.tolist(), strict=True):
        row = row_of(table, frame, track) if track else None
        if row is not None:
            overlap = shared / (area + int(table.area[row]) - shared)
            found.append((track, overlap))
    good = [each for each in found if each[1] >= LEAST_OVERLAP]
    return sorted(good, key=lambda each: (-each[1], each[0]))
