"""Places, sizes and shifts of masks, and the overlap of two of them."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet

Shift = tuple[int, int]
"""Rows and columns."""


def centroids(masks: MaskSet) -> NDArray[np.float64]:
    """Return the (N, 2) mean row and column of the pixels of each mask, none of them empty."""
    means = [np.argwhere(masks.crop(i)).mean(axis=0) for i in range(len(masks))]
    return np.array(means).reshape(-1, 2) + masks.boxes[:, :2]


def diameter(mask: MaskSet) -> float:
    """Return the diameter in pixels of the disc that has the area of a set of one mask."""
    return float(2 * np.sqrt(mask.area[0] / np.pi))


def shift_masks(masks: MaskSet, shift: Shift) -> MaskSet:
    """Return masks moved by whole pixels; what leaves the plane is cut off."""
    if shift == (0, 0):
        return masks
    height, width = masks.shape
    crops, origins = [], []
    for i, (row, col) in enumerate((masks.boxes[:, :2] + shift).tolist()):
        crop = masks.crop(i)[
            max(0, -row) : max(0, height - row), max(0, -col) : max(0, width - col)
        ]
        crops.append(crop if crop.size else np.zeros((1, 1), bool))
        origins.append((max(0, row), max(0, col)) if crop.size else (0, 0))
    return MaskSet.from_crops(masks.shape, crops, origins)


def mask_iou(one: MaskSet, two: MaskSet) -> float:
    """Return the IoU of two sets of one mask; 0 where both are empty."""
    shared = MaskSet.concatenate([one.without_logits(), two.without_logits()]).shared_pixels(0, 1)
    return shared / max(1, int(one.area[0] + two.area[0]) - shared)
