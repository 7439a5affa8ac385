"""A movie of bright squares that move, one of which divides; labels of frames are unrelated."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SHAPE = (6, 60, 80)
MISSING = 3
"""Frame in which the second square is missing."""


def make_movie() -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels and image: track 1 divides at frame 3 into 3 and 4, track 2 has a gap."""
    labels = np.zeros(SHAPE, np.uint16)
    for t in range(SHAPE[0]):
        shift = 10 * t + 1
        if t != MISSING:
            labels[t, 40:50, 5 + 2 * t : 15 + 2 * t] = shift + 2
        if t < 3:
            labels[t, 10:20, 20 + t : 34 + t] = shift
        else:
            labels[t, 10:19, 16:25] = shift + 1
            labels[t, 10:19, 30:39] = shift
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    image[MISSING, 40:50, 5 + 2 * MISSING : 15 + 2 * MISSING] = 200
    return labels, image


def make_table(labels: NDArray[Any]) -> Any:
    """The tracks of the movie, without a link over the gap and without the division."""
    from napari_segany.linking.tracks.track_table import TrackTable

    tracks = {}
    for t in range(SHAPE[0]):
        shift = 10 * t + 1
        tracks[t, shift] = 1 if t < 3 else 4
        tracks[t, shift + 1] = 3
        tracks[t, shift + 2] = 2 if t < MISSING else 5
    rows = []
    for t in range(SHAPE[0]):
        for label in np.unique(labels[t][labels[t] > 0]).tolist():
            place = np.argwhere(labels[t] == label)
            rows.append((t, tracks[t, label], label, *place.mean(axis=0), len(place)))
    frame, track, label, row, col, area = np.array(sorted(rows)).T
    whole = [column.astype(np.int64) for column in (frame, track, label, area)]
    confidence = np.full(len(frame), 0.9)
    confidence[np.unique(whole[1], return_index=True)[1]] = np.nan
    return TrackTable(*whole[:3], np.stack([row, col], axis=1), whole[3], confidence)
