"""Frames of labels whose ids are those of tracks, with a box for each object."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_edit import Box, FrameMask, TrackEdit
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.session.tracks.changes import Patch

ReadFrame = Callable[[int], NDArray[np.integer]]
"""Returns the labels of a frame."""


class LabelFrames:
    """Labels of a movie, changed by patches.

    An object is searched in its box only, so that a track through hundreds of frames is relabelled
    in milliseconds. A box may be larger than its object.

    Parameters
    ----------
    data : ndarray
        (T, Y, X) or (T, Z, Y, X) int32, written in place.
    """

    def __init__(self, data: NDArray[np.int32]) -> None:
        self.data = data
        self._boxes: dict[int, dict[int, Box]] = {}

    def prepare(self, progress: Progress | None = None, stop: ShouldStop | None = None) -> None:
        """Find the boxes of all frames, which is done on demand otherwise."""
        for frame in range(len(self.data)):
            check(stop)
            self._boxes_of(frame)
            if progress is not None:
                progress(frame + 1, len(self.data))

    def mask(self, frame: int, track: int) -> FrameMask | None:
        """Return the mask of an object; None if it has no pixel."""
        box = self._boxes_of(frame).get(track)
        if box is None:
            return None
        pixels = self.data[frame][box] == track
        if not pixels.any():
            return None
        inner = FrameMask.of(pixels)
        start = (side.start + at for side, at in zip(box, inner.start, strict=True))
        return FrameMask(tuple(start), inner.pixels)

    def at(self, frame: int, mask: FrameMask) -> int:
        """Return the id at the first pixel of a mask."""
        return int(self.data[frame][mask.box][mask.pixels][0])

    def patches_of(self, edit: TrackEdit) -> tuple[Patch, ...]:
        """Return the patches that make the changes of an edit.

        Raises
        ------
        InputError
            If pixels that are painted belong to an object that the edit does not name.
        """
        found = []
        for each in edit.relabels:
            mask = self.mask(each.frame, each.before)
            if mask is not None:
                found.append(Patch.of(each.frame, mask, each.before, each.after))
        allowed = {0, *(each.after for each in edit.paints)}
        for paint in edit.paints:
            self._check_inside(paint.frame, paint.mask)
            there = self.data[paint.frame][paint.mask.box]
            covered = set(np.unique(there[paint.mask.pixels]).tolist())
            if others := covered - allowed:
                raise InputError(
                    f"The mask in frame {paint.frame} covers object {min(others)}; leave its "
                    "pixels out."
                )
            found += _patches(paint.frame, paint.mask, there, paint.after, covered)
        return tuple(found)

    def patches_to(self, frame: int, pixels: NDArray[np.integer]) -> tuple[Patch, ...]:
        """Return the patches that bring a frame to other pixels, none if it has them."""
        now = self.data[frame]
        different = now != pixels
        if not different.any():
            return ()
        area = FrameMask.of(different)
        old, new = now[area.box], pixels[area.box]
        found: list[Patch] = []
        for after in np.unique(new[area.pixels]).tolist():
            part = FrameMask(area.start, area.pixels & (new == after))
            found += _patches(frame, part, old, after, set(np.unique(old[part.pixels]).tolist()))
        return tuple(found)

    def apply(self, patches: Iterable[Patch]) -> None:
        """Write patches."""
        for patch in patches:
            mask = patch.mask
            boxes = self._boxes_of(patch.frame)
            self.data[patch.frame][mask.box][mask.pixels] = patch.after
            if patch.after:
                box = boxes.get(patch.after)
                boxes[patch.after] = mask.box if box is None else _around(box, mask.box)

    def measure(self, frame: int, tracks: Iterable[int]) -> dict[int, FrameMask]:
        """Return the masks of those objects that have a pixel."""
        masks = {track: self.mask(frame, track) for track in tracks}
        return {track: mask for track, mask in masks.items() if mask is not None}

    def _boxes_of(self, frame: int) -> dict[int, Box]:
        if frame not in self._boxes:
            found = ndimage.find_objects(self.data[frame])
            self._boxes[frame] = {n: box for n, box in enumerate(found, 1) if box is not None}
        return self._boxes[frame]

    def _check_inside(self, frame: int, mask: FrameMask) -> None:
        shape = self.data.shape[1:]
        inside = all(
            side.start >= 0 and side.stop <= length
            for side, length in zip(mask.box, shape, strict=True)
        )
        if not 0 <= frame < len(self.data) or not inside:
            raise InputError(f"A mask in frame {frame} lies outside the labels.")


def relabel_frames(
    table: TrackTable,
    read: ReadFrame,
    out: Any,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> None:
    """Write the labels of a movie with the ids of tracks, frame by frame.

    Parameters
    ----------
    table : TrackTable
        The tracks.
    read : callable
        Returns the labels of a frame.
    out : array
        int32, of the movie's shape; objects without a track are 0.
    progress, should_stop : callable, optional
        Called with frames done and in all; polled between frames.
    """
    for frame in range(len(out)):
        check(should_stop)
        out[frame] = table.relabel_frame(frame, read(frame))
        if progress is not None:
            progress(frame + 1, len(out))


def _patches(
    frame: int, mask: FrameMask, there: NDArray[np.integer], after: int, covered: set[int]
) -> list[Patch]:
    """Return one patch for each id that a mask covers, except its own."""
    return [
        Patch.of(frame, FrameMask(mask.start, mask.pixels & (there == before)), before, after)
        for before in sorted(covered - {after})
    ]


def _around(one: Box, two: Box) -> Box:
    return tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, two, strict=True)
    )
