"""Maps that the finder learns to predict, from label images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.networks.finder import CENTRE, CONTOUR, FOREGROUND, INTERIOR, MAPS, SIZE

UNIT = 16.0
"""Side in pixels of the frame of an object whose size map is 0."""

SMALL = 24.0
"""Side in cells below which an object's pixels weigh more, so that small objects count."""

MOST_WEIGHT = 4.0


@dataclass(frozen=True)
class Targets:
    """What the maps of one view should be.

    Attributes
    ----------
    maps : ndarray
        (MAPS, H, W) float32; see the constants of :mod:`napari_segany.networks.finder`.
    weights : ndarray
        (H, W) float32; 0 where nothing is known.
    sized : ndarray
        (H, W) boolean, where the size of the object is known.
    """

    maps: NDArray[np.float32]
    weights: NDArray[np.float32]
    sized: NDArray[np.bool_]


def inner_borders(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return the pixels of objects with a 4-neighbour that is not of the same object."""
    border = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        first = labels.take(range(labels.shape[axis] - 1), axis)
        second = labels.take(range(1, labels.shape[axis]), axis)
        differs = first != second
        ahead = [(0, 0), (0, 0)]
        behind = [(0, 0), (0, 0)]
        ahead[axis], behind[axis] = (0, 1), (1, 0)
        border |= np.pad(differs, ahead) | np.pad(differs, behind)
    return border & (labels > 0)


def make_targets(
    labels: NDArray[np.integer], sides: NDArray[np.floating], known: NDArray[np.bool_]
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
    """
    maps = np.zeros((MAPS, *labels.shape), np.float32)
    inside = labels > 0
    maps[FOREGROUND] = inside
    ids = np.unique(labels[inside])
    weights = (known & (labels >= 0)).astype(np.float32)
    if not len(ids):
        return Targets(maps, weights, inside)
    border = inner_borders(labels)
    maps[CONTOUR] = border
    distance = ndimage.distance_transform_edt(~border).astype(np.float32) + 1
    number = np.zeros(int(ids[-1]) + 1, np.int64)
    number[ids] = np.arange(len(ids))
    which = number[np.where(inside, labels, ids[0])]
    largest = ndimage.maximum(np.where(inside, distance, 0), labels, ids)
    maps[INTERIOR] = np.where(inside, distance / largest[which], 0)
    middles = np.array(ndimage.maximum_position(np.where(inside, distance, 0), labels, ids))
    rows, cols = np.indices(labels.shape, np.float32)
    away = np.hypot(rows - middles[which, 0], cols - middles[which, 1])
    farthest = np.maximum(ndimage.maximum(np.where(inside, away, 0), labels, ids), 1)
    maps[CENTRE] = np.where(inside, 1 - away / (farthest[which] + 1), 0)
    side = sides[np.where(inside, labels, 0)]
    sized = inside & np.isfinite(side)
    maps[SIZE] = np.where(sized, np.log2(np.where(sized, np.maximum(side, 1), UNIT) / UNIT), 0)
    cells = np.sqrt(ndimage.sum(inside, labels, ids))
    weights[inside] *= np.clip(SMALL / cells, 1, MOST_WEIGHT)[which[inside]].astype(np.float32)
    return Targets(maps, weights, sized)
