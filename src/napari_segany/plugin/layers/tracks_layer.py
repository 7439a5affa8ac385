"""Tracks as data of napari's Tracks layer, and the table that a labels layer carries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.linking.tracks.track_table import TrackTable

TRACKS = "napari_segany_tracks"
"""Key in the metadata of a labels layer whose labels are tracks: their :class:`TrackTable`."""


def tracks_layer_data(table: TrackTable) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Return data and settings of napari's Tracks layer.

    Parameters
    ----------
    table : TrackTable
        The tracks.

    Returns
    -------
    data : ndarray
        (n, 4) or (n, 5): track, frame, (z,) y, x in pixels; ordered by track and frame.
    settings : dict
        ``graph`` with the parent of daughters; ``features`` with track, label, area, confidence,
        ``gap`` (frames missing before the object) and those of the table; ``scale``, ``units`` and
        ``axis_labels``. Arguments of ``viewer.add_tracks``.
    """
    order = np.lexsort((table.frame, table.track))
    columns = (table.track[:, None], table.frame[:, None], table.position)
    data = np.concatenate(columns, axis=1).astype(np.float64)[order]
    new = np.diff(table.track[order], prepend=0) != 0
    gap = np.where(new, 0, np.diff(table.frame[order], prepend=0) - 1)
    features: dict[str, Any] = {
        "track": table.track[order],
        "label": table.label[order],
        "area": table.area[order],
        "confidence": table.confidence[order],
        "gap": gap,
    }
    features |= {name: np.asarray(values)[order] for name, values in table.features.items()}
    axes = f"T{table.axes}"
    sizes = table.pixel_size
    settings = {
        "graph": {child: [parent] for child, parent in table.parents.items()},
        "features": features,
        "scale": tuple(sizes[a][0] if a in sizes else 1.0 for a in axes),
        "units": tuple(sizes[a][1] if a in sizes else "pixel" for a in axes),
        "axis_labels": tuple(axes.lower()),
    }
    return data, settings


def stored_table(metadata: Mapping[str, Any]) -> TrackTable | None:
    """Return the table in the metadata of a layer whose labels are tracks; None without one."""
    table = metadata.get(TRACKS)
    return table if isinstance(table, TrackTable) else None
