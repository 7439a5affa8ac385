"""Scores of the tracks of two labels layers."""

from dataclasses import replace
from typing import Any

import numpy as np

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.label_images import as_ids
from napari_segany.evaluation.track_metrics import TrackScores, score_tracks
from napari_segany.linking.tracks.label_tracks import tracks_of_labels
from napari_segany.plugin.layers.tracks_layer import stored_table
from napari_segany.plugin.layers.transforms import full_data
from napari_segany.tracking import TrackedMovie


def score_layers(truth: Any, prediction: Any, should_stop: ShouldStop) -> TrackScores:
    """Score the tracks of a labels layer against those of another one.

    Labels are tracks. Divisions are known of layers that carry a table of tracks.

    Parameters
    ----------
    truth, prediction : napari.layers.Labels
        (T, Y, X) or (T, Z, Y, X).
    should_stop : callable
        Polled at every frame.

    Raises
    ------
    InputError
        If py-ctcmetrics is not installed, or there are no tracks in the truth.
    Cancelled
        If ``should_stop`` returned True.
    """
    return score_tracks(_movie(truth), _movie(prediction), should_stop=should_stop)


def _movie(layer: Any) -> TrackedMovie:
    """Return the movie of a layer."""
    data = full_data(layer)
    shape = tuple(int(n) for n in data.shape)

    def load(frame: int) -> Any:
        return as_ids(np.asarray(data[frame]), layer.name)

    table = tracks_of_labels(load, shape[0], "ZYX"[-(len(shape) - 1) :])
    if (stored := stored_table(layer.metadata)) is not None:
        # Labels may have been edited since; what they still allow is taken.
        spans = table.spans
        pairs = ((c, p) for c, p in stored.parents.items() if c in spans and p in spans)
        parents = {child: parent for child, parent in pairs if spans[parent][1] < spans[child][0]}
        table = replace(table, parents=parents)
    return TrackedMovie(table, load, shape[0], shape[1:])
