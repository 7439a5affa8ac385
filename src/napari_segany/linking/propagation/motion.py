"""Motion of objects from frame to frame: prediction, and search by looks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import Shift, centroids, diameter, shift_masks
from napari_segany.linking.propagation.appearance import Appearance
from napari_segany.linking.propagation.compare import sample_inside
from napari_segany.models.protocol import EmbeddedCrop

Velocity = tuple[float, float]
"""Rows and columns from plane to plane."""

NEWEST = 0.7
"""Weight of the last motion in the velocity; the rest is what was known before."""

STEPS = 4
"""Places that are looked at to each side along each axis."""

SEARCH_SAMPLES = 16
"""Pixels of an object that are compared at each place."""


def update_velocity(
    before: Velocity | None, previous: MaskSet, current: MaskSet, distance: int
) -> Velocity:
    """Return the velocity after an object was found again, ``distance`` planes further."""
    rows, cols = (centroids(current) - centroids(previous))[0] / distance
    if before is None:
        return float(rows), float(cols)
    kept = 1 - NEWEST
    return kept * before[0] + NEWEST * float(rows), kept * before[1] + NEWEST * float(cols)


def predict_mask(mask: MaskSet, velocity: Velocity | None, distance: int) -> MaskSet:
    """Return a mask where its last motion leads; where it was if that is outside of the plane."""
    if velocity is None:
        return mask
    rows, cols = (round(speed * distance) for speed in velocity)
    moved = shift_masks(mask, (rows, cols))
    return moved if 2 * moved.area[0] > mask.area[0] else mask


def search_by_looks(
    mask: MaskSet, appearance: Appearance, prepared: EmbeddedCrop, reach: float
) -> Shift:
    """Return the shift to the place within ``reach`` that looks most like the object.

    Parameters
    ----------
    mask : MaskSet
        One mask, where the object is expected.
    appearance : Appearance
        Its looks.
    prepared : EmbeddedCrop
        The plane to search.
    reach : float
        Largest distance along each axis, in diameters of the object.

    Returns
    -------
    tuple of int
        Rows and columns; zeros where nothing tells the object from its surroundings.
    """
    step = max(1.0, reach * diameter(mask) / STEPS)
    shifts = _grid(step)
    if not appearance.embedded.tells:
        return 0, 0
    inside = sample_inside(mask, SEARCH_SAMPLES)
    places = inside[None] + shifts[:, None]
    limits = np.array(mask.shape) - 1
    within = ((places >= 0) & (places <= limits)).all(axis=(1, 2))
    if not within.any():
        return 0, 0
    shifts, places = shifts[within], places[within]
    features = prepared.features_at(places.reshape(-1, 2)).astype(np.float64)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    looks = (features @ appearance.embedded.direction).reshape(len(shifts), -1).mean(axis=1)
    # Of places that look the same, the nearest.
    rows, cols = shifts[int(np.argmax(looks))]
    return int(rows), int(cols)


def _grid(step: float) -> NDArray[np.int64]:
    """Return (N, 2) shifts, the nearest first."""
    axis: Sequence[int] = [round(n * step) for n in range(-STEPS, STEPS + 1)]
    grid = np.array([(row, col) for row in axis for col in axis], np.int64)
    return grid[np.argsort(np.hypot(*grid.T), kind="stable")]
