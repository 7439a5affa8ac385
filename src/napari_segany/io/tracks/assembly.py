"""Assembly of a table of tracks from the columns of a file that others may have written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize
from napari_segany.linking.tracks.track_table import TrackTable

LARGEST_FILE = 2**30
"""Bytes of the largest text that is read."""

LARGEST_FRAME = 2**31 - 1
"""Frames, tracks and labels end here."""


@dataclass(frozen=True, eq=False)
class TrackColumns:
    """Columns of a file of tracks, in any order of rows.

    Attributes
    ----------
    frame, track : ndarray
        (n,) whole numbers.
    position : ndarray
        (n, D) centroids in pixels.
    label, area, confidence : ndarray, optional
        (n,); by default the track, 0 for unknown, and NaN.
    parents : mapping
        Parent of each track that has one.
    axes : {"YX", "ZYX"}
        Axes of a frame.
    pixel_size : mapping
        Size and unit of a step along axes.
    features : mapping
        More columns.
    """

    frame: ArrayLike
    track: ArrayLike
    position: ArrayLike
    label: ArrayLike | None = None
    area: ArrayLike | None = None
    confidence: ArrayLike | None = None
    parents: Mapping[int, int] = field(default_factory=dict)
    axes: str = "YX"
    pixel_size: PixelSize = field(default_factory=dict)
    features: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def table(self, path: Path) -> TrackTable:
        """Return the table; the path is named in errors.

        Raises
        ------
        InputError
            If the rows are no tracks.
        """
        frame = whole_column(path, "frame", self.frame)
        track = whole_column(path, "track", self.track)
        count = len(frame)
        label = whole_column(path, "label", track if self.label is None else self.label)
        area = whole_column(path, "area", np.zeros(count) if self.area is None else self.area)
        confidence = np.full(count, np.nan) if self.confidence is None else self.confidence
        position = np.asarray(self.position, np.float64).reshape(count, len(self.axes))
        if not np.isfinite(position).all():
            raise InputError(f"{path}: a position of an object is no number.")
        order = np.lexsort((track, frame))
        try:
            return TrackTable(
                frame[order],
                track[order],
                label[order],
                position[order],
                area[order],
                np.asarray(confidence, np.float64)[order],
                dict(sorted(self.parents.items())),
                self.axes,
                self.pixel_size,
                {name: np.asarray(column)[order] for name, column in self.features.items()},
            )
        except InputError as error:
            raise InputError(f"{path} holds no tracks that can be used: {error}") from error


def whole_column(path: Path, name: str, values: ArrayLike) -> NDArray[np.int64]:
    """Return a column of whole numbers from 0 on, or raise InputError."""
    numbers = np.asarray(values)
    if not len(numbers):
        return np.zeros(0, np.int64)
    bad = ~((np.floor(numbers) == numbers) & (numbers >= 0) & (numbers <= LARGEST_FRAME))
    if bad.any():
        raise InputError(
            f"{path}: a {name} is {numbers[bad][0]}; accepted are whole numbers from 0 to "
            f"{LARGEST_FRAME}."
        )
    return numbers.astype(np.int64)


def numeric_features(table: TrackTable) -> dict[str, NDArray[Any]]:
    """Return the features that are numbers, as int64 or float64; texts are left out."""
    columns = {name: np.asarray(column) for name, column in table.features.items()}
    return {
        name: column.astype(np.float64 if column.dtype.kind == "f" else np.int64)
        for name, column in columns.items()
        if column.dtype.kind in "buif"
    }


def check_file_size(path: Path) -> None:
    """Raise InputError if there is no such file, or it is too large to be read."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from error
    if size > LARGEST_FILE:
        raise InputError(
            f"{path} has {size} bytes; files of tracks up to {LARGEST_FILE} bytes are read."
        )
