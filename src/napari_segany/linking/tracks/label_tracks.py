"""Tracks of a movie whose labels are tracks already."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_segany.linking.tracks.frame_objects import measure_frame, number_objects
from napari_segany.linking.tracks.track_table import TrackTable


def tracks_of_labels(
    load_frame: Callable[[int], NDArray[np.generic]], count: int, axes: str
) -> TrackTable:
    """Return the table of a movie in which an object keeps its label over time.

    Parameters
    ----------
    load_frame : callable
        Returns the labels of a frame, whole numbers, (Y, X) or (Z, Y, X).
    count : int
        Number of frames.
    axes : {"YX", "ZYX"}
        Axes of a frame.

    Returns
    -------
    TrackTable
        Tracks without divisions; their ids are the labels.
    """
    parts = [measure_frame(*number_objects(load_frame(frame))) for frame in range(count)]
    none = np.zeros(0, np.int64)
    label = np.concatenate([none, *(each.label for each in parts)])
    position = [np.zeros((0, len(axes))), *(each.position for each in parts)]
    return TrackTable(
        np.repeat(np.arange(count, dtype=np.int64), [len(each) for each in parts]),
        label,
        label,
        np.concatenate(position),
        np.concatenate([none, *(each.area for each in parts)]),
        np.full(len(label), np.nan),
        axes=axes,
    )
