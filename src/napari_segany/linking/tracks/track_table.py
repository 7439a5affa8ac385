"""Tracks of a movie as a table: which object of which frame belongs to which track."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError

DIMENSIONS = {"YX": 2, "ZYX": 3}
"""Axes of a frame, and their number."""


@dataclass(frozen=True, eq=False)
class TrackTable:
    """Objects of a movie, linked over time. One row is an object in a frame.

    A track is an object from its first to its last frame. It ends where the object divides; the
    daughters are tracks of their own, whose parent it is. Frames in which it is missing are gaps.
    Rows are ordered by frame, then by track.

    Attributes
    ----------
    frame : ndarray
        (n,) int64; the frame.
    track : ndarray
        (n,) int64, 1 or more; the track. A track has at most one object in a frame.
    label : ndarray
        (n,) int64, 1 or more; value of the object in the labels of its frame. An object has one
        row.
    position : ndarray
        (n, D) float64; centroid in pixels, along ``axes``.
    area : ndarray
        (n,) int64; pixels.
    confidence : ndarray
        (n,) float64, 0 to 1; how clear the link to the row before in its track is, or to the
        parent for a first row. NaN without either.
    parents : mapping
        Parent of each track that comes from a division, by track.
    axes : {"YX", "ZYX"}
        Axes of a frame.
    pixel_size : mapping
        Size and unit of a step along axes, where known; ``T`` is the time between frames.
    features : mapping
        More columns, (n,) each, by name.
    """

    frame: NDArray[np.int64]
    track: NDArray[np.int64]
    label: NDArray[np.int64]
    position: NDArray[np.float64]
    area: NDArray[np.int64]
    confidence: NDArray[np.float64]
    parents: Mapping[int, int] = field(default_factory=dict)
    axes: str = "YX"
    pixel_size: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    features: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.axes not in DIMENSIONS:
            raise InputError(f"Axes of a frame are YX or ZYX, not {self.axes!r}.")
        count = len(self.frame)
        shapes = [each.shape for each in (self.track, self.label, self.area, self.confidence)]
        shapes += [each.shape for each in self.features.values()]
        if any(shape != (count,) for shape in shapes):
            raise InputError("Columns of tracks differ in length.")
        if self.position.shape != (count, DIMENSIONS[self.axes]):
            raise InputError(f"Positions have shape {self.position.shape}; axes are {self.axes}.")
        for name, ids in (("track", self.track), ("label", self.label)):
            if count and ids.min() < 1:
                raise InputError(f"A {name} is below 1.")
        step, above = np.diff(self.frame), np.diff(self.track)
        if ((step < 0) | ((step == 0) & (above < 0))).any():
            raise InputError("Rows of tracks are not ordered by frame and track.")
        if ((step == 0) & (above == 0)).any():
            raise InputError("A track appears twice in a frame.")
        # Ids and labels of a frame are mostly the same, and then already in order.
        if self.label is not self.track and not np.array_equal(self.label, self.track):
            order = np.lexsort((self.label, self.frame))
            frame, label = self.frame[order], self.label[order]
            if ((np.diff(frame) == 0) & (np.diff(label) == 0)).any():
                raise InputError("A label appears twice in a frame.")
        self._check_parents()

    def _check_parents(self) -> None:
        spans = self.spans
        for child, parent in self.parents.items():
            if child not in spans or parent not in spans:
                raise InputError(f"Track {child} with parent {parent}: one of them has no object.")
            if spans[parent][1] >= spans[child][0]:
                raise InputError(
                    f"Track {child} begins at frame {spans[child][0]}; its parent {parent} must "
                    f"end before, but ends at frame {spans[parent][1]}."
                )

    @cached_property
    def spans(self) -> Mapping[int, tuple[int, int]]:
        """First and last frame of each track, by track in ascending order."""
        ids, first = np.unique(self.track, return_index=True)
        _, last = np.unique(self.track[::-1], return_index=True)
        ends = self.frame[len(self.frame) - 1 - last]
        rows = zip(ids.tolist(), self.frame[first].tolist(), ends.tolist(), strict=True)
        return {track: (start, end) for track, start, end in rows}

    @property
    def children(self) -> Mapping[int, tuple[int, ...]]:
        """Daughters of each track that divides, in ascending order."""
        found: dict[int, tuple[int, ...]] = {}
        for child, parent in sorted(self.parents.items()):
            found[parent] = (*found.get(parent, ()), child)
        return found

    def rows_of(self, track: int) -> NDArray[np.intp]:
        """Return the rows of a track, in the order of frames."""
        return np.flatnonzero(self.track == track)

    def rows_at(self, frame: int) -> slice:
        """Return the rows of a frame."""
        start, stop = np.searchsorted(self.frame, [frame, frame + 1])
        return slice(int(start), int(stop))

    def take(self, rows: NDArray[Any]) -> "TrackTable":
        """Return some rows, in the order of the table, with the parents that are still there.

        Parameters
        ----------
        rows : ndarray
            (n,) bool.
        """
        left = set(self.track[rows].tolist())
        pairs = self.parents.items()
        return replace(
            self,
            frame=self.frame[rows],
            track=self.track[rows],
            label=self.label[rows],
            position=self.position[rows],
            area=self.area[rows],
            confidence=self.confidence[rows],
            features={name: column[rows] for name, column in self.features.items()},
            parents={child: parent for child, parent in pairs if {child, parent} <= left},
        )

    def relabel_frame(self, frame: int, labels: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the labels of a frame with the ids of tracks; objects without a track are 0.

        Parameters
        ----------
        frame : int
            The frame.
        labels : ndarray
            Its labels, of any shape.
        """
        rows = self.rows_at(frame)
        values, tracks = self.label[rows], self.track[rows].astype(np.int32)
        order = np.argsort(values)
        values, tracks = values[order], tracks[order]
        if not len(values):
            return np.zeros(labels.shape, np.int32)
        at = np.minimum(np.searchsorted(values, labels), len(values) - 1)
        return np.where(values[at] == labels, tracks[at], 0).astype(np.int32)
