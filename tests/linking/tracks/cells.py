"""Small movies of squares with their tracks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.linking.tracks.track_edit import FrameMask
from napari_segany.linking.tracks.track_table import TrackTable

Cells = Mapping[tuple[int, int], frozenset[tuple[int, int]]]
"""Pixels of objects, by frame and track."""


def square(row: int, col: int, size: int = 3) -> frozenset[tuple[int, int]]:
    """Pixels of a square."""
    return frozenset((r, c) for r in range(row, row + size) for c in range(col, col + size))


def table_of(cells: Cells, parents: Mapping[int, int] | None = None, **more: Any) -> TrackTable:
    """The table of some objects, measured one by one."""
    keys = sorted(cells)
    tracks = np.array([track for _, track in keys], np.int64)
    columns: dict[str, Any] = {
        "frame": np.array([frame for frame, _ in keys], np.int64),
        "track": tracks,
        "label": tracks,
        "position": np.array([np.mean(sorted(cells[k]), axis=0) for k in keys]).reshape(-1, 2),
        "area": np.array([len(cells[k]) for k in keys], np.int64),
        "confidence": np.full(len(keys), 0.5),
        "parents": dict(parents or {}),
    }
    return TrackTable(**(columns | more))


def draw(cells: Cells, shape: tuple[int, int, int]) -> NDArray[np.int32]:
    """The labels of some objects."""
    data = np.zeros(shape, np.int32)
    for (frame, track), pixels in cells.items():
        for row, col in pixels:
            data[frame, row, col] = track
    return data


def mask_of(pixels: frozenset[tuple[int, int]], shape: tuple[int, int] = (30, 40)) -> FrameMask:
    """The mask of some pixels."""
    full = np.zeros(shape, bool)
    for row, col in pixels:
        full[row, col] = True
    return FrameMask.of(full)
