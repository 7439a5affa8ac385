"""Candidates of planes for tests: discs, and choices that a plane can be wrong about."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.linking.plane_candidates import PlaneCandidates

SHAPE = (48, 64)


def disc(row: float, col: float, radius: float) -> NDArray[np.bool_]:
    """A disc on a plane of SHAPE."""
    rows, cols = np.indices(SHAPE)
    inside: NDArray[np.bool_] = np.hypot(rows - row, cols - col) <= radius
    return inside


def plane(
    own: Sequence[NDArray[np.bool_]],
    others: Sequence[NDArray[np.bool_]] = (),
    score: float = 0.8,
    other_score: float = 0.6,
    threshold: float = 0.5,
) -> PlaneCandidates:
    """Candidates of which ``own`` are objects and the rest was left out."""
    masks = [*own, *others]
    scores = [score] * len(own) + [other_score] * len(others)
    full = np.array(masks, bool).reshape(len(masks), *SHAPE)
    return PlaneCandidates(MaskSet.from_masks(full, scores), len(own), threshold)
