"""Maps that the finder learns to predict, from label images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.networks.finder import (
    CENTRE,
    CONTOUR,
    FOREGROUND,
    INTERIOR,
    MAPS,
    SIZE,
    SIZE_UNIT,
)

SMALL = 24.0
"""Side in cells below which an object's pixels weigh more, so that small objects count."""

MOST_WEIGHT = 4.0
"""Largest weight of a small object's pixels, relative to those of a large object."""

RIM = 8
"""Cells around an object whose background weighs as much as the object: a heavier inside alone
would move the outline outwards."""


@dataclass(frozen=True)
class Targets:
    """Target maps of one view, with the weight of every cell.

    Attributes
    ----------
    maps : ndarray
        (MAPS, H, W) float32; see the constants of :mod:`napari_segany.networks.finder`.
    weights : ndarray
        (H, W) float32; 0 where nothing is known, 1 elsewhere, up to ``MOST_WEIGHT`` in and around
        small objects.
    sized : ndarray
        (H, W) boolean, true in objects whose size is known.
    """

    maps: NDArray[np.float32]
    weights: NDArray[np.float32]
    sized: NDArray[np.bool_]


def inner_borders(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return the (H, W) pixels of objects with a 4-neighbour that is not of the same object.

    Pixels at the edge of the array count as border only if a neighbour in the array differs.
    """
    border = np.zeros(labels.shape, bool)
    for ahead, behind in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differs = labels[ahead] != labels[behind]
        border[ahead] |= differs
        border[behind] |= differs
    return border & (labels > 0)


def make_targets(
    labels: NDArray[np.integer],
    sides: NDArray[np.floating],
    known: NDArray[np.bool_],
    background_weight: float = 1.0,
) -> Targets:
    """Return the targets of a label image.

    Parameters
    ----------
    labels : ndarray
        (H, W) ids; 0 is background, negative ids are unknown.
    sides : ndarray
        Square root of each object's area in pixels of the frame, by id; NaN where unknown.
    known : ndarray
        (H, W) boolean; false beyond the image.
    background_weight : float
        Weight of background pixels; below 1 where some objects have no label.

    Returns
    -------
    Targets
        On the same grid. An object cut by the edge of the array has the distances of its visible
        part and the size given in ``sides``.
    """
    maps = np.zeros((MAPS, *labels.shape), np.float32)
    inside = labels > 0
    maps[FOREGROUND] = inside
    weights = (known & (labels >= 0)).astype(np.float32)
    weights[labels == 0] *= background_weight
    ids = np.unique(labels[inside])
    if not len(ids):
        return Targets(maps, weights, inside)
    border = inner_borders(labels)
    maps[CONTOUR] = border
    # Position of every pixel's object in ids; arbitrary, but valid, in the background.
    number = np.zeros(int(ids[-1]) + 1, np.int64)
    number[ids] = np.arange(len(ids))
    which = number[np.where(inside, labels, ids[0])]
    depth = ndimage.distance_transform_edt(~border).astype(np.float32) + 1
    depth = np.where(inside, depth, 0)
    deepest = ndimage.maximum(depth, labels, ids)
    maps[INTERIOR] = np.where(inside, depth / deepest[which], 0)
    middles = np.array(ndimage.maximum_position(depth, labels, ids))
    maps[CENTRE] = _centredness(labels, ids, which, middles)
    side = sides[np.where(inside, labels, 0)]
    sized = inside & np.isfinite(side)
    maps[SIZE] = np.where(
        sized, np.log2(np.where(sized, np.maximum(side, 1), SIZE_UNIT) / SIZE_UNIT), 0
    )
    cells = np.sqrt(ndimage.sum(inside, labels, ids))
    gain = np.clip(SMALL / cells, 1, MOST_WEIGHT)
    away, nearest = ndimage.distance_transform_edt(~inside, return_indices=True)
    gains = gain[which[tuple(nearest)]].astype(np.float32)
    weights *= np.where(away <= RIM, gains, 1)
    return Targets(maps, weights, sized)


def _centredness(
    labels: NDArray[np.integer],
    ids: NDArray[np.integer],
    which: NDArray[np.int64],
    middles: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return (H, W) closeness to the object's middle: 1 at it, 0 beyond its farthest pixel."""
    inside = labels > 0
    rows, cols = np.indices(labels.shape, np.float32)
    away = np.hypot(rows - middles[which, 0], cols - middles[which, 1])
    farthest = np.maximum(ndimage.maximum(np.where(inside, away, 0), labels, ids), 1)
    return np.where(inside, 1 - away / (farthest[which] + 1), 0)
