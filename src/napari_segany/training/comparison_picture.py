"""Picture of a held-back plane: its labels, and what was found before and after training."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.io.overlay import draw_overlay
from napari_segany.training.held_back_scores import PlaneScore
from napari_segany.training.labelled_planes import LabelledPlane

GAP = 8
"""Pixels between the three parts of a picture."""


def draw_comparison(
    plane: LabelledPlane, before: PlaneScore, after: PlaneScore
) -> NDArray[np.uint8]:
    """Return a picture of three parts side by side: true labels, found before, found after.

    Only the known part of the plane is shown, with what was found in it.

    Returns
    -------
    ndarray
        (height, width, 3) uint8.
    """
    rows, cols = (np.flatnonzero((plane.labels >= 0).any(axis=axis)) for axis in (1, 0))
    window = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    parts = [
        draw_overlay(plane.rgb[window], labels[window])
        for labels in (np.maximum(plane.labels, 0), before.labels, after.labels)
    ]
    between = np.full((len(parts[0]), GAP, 3), 255, np.uint8)
    return np.concatenate([parts[0], between, parts[1], between, parts[2]], axis=1)
