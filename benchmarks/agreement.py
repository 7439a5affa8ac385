"""How well masks agree: with each other, and with labelled objects."""

from dataclasses import dataclass

import numpy as np

from napari_segany import MaskSet

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
"""IoU at which recall is averaged, those of COCO (Lin et al., 2014)."""

FALSE_BELOW = 0.5
"""A mask is false if no labelled object overlaps it by this IoU."""


def pairwise_iou(a: MaskSet, b: MaskSet) -> np.ndarray:
    """(len(a), len(b)) IoU of two sets on one plane."""
    both = MaskSet.concatenate([a, b])
    iou = np.zeros((len(a), len(b)))
    for i in range(len(a)):
        for j in range(len(b)):
            shared = both.shared_pixels(i, len(a) + j)
            iou[i, j] = shared / max(a.area[i] + b.area[j] - shared, 1)
    return iou


def matched(a: MaskSet, b: MaskSet, iou: float = 0.9) -> tuple[int, int]:
    """How many masks of ``a`` have their like in ``b``, and of ``b`` in ``a``."""
    if not len(a) or not len(b):
        return 0, 0
    pairs = pairwise_iou(a, b) >= iou
    return int(pairs.any(axis=1).sum()), int(pairs.any(axis=0).sum())


@dataclass(frozen=True)
class Recall:
    """Masks against labels: every object's best IoU, and how many masks mean no object."""

    best_iou: np.ndarray
    masks: int
    false_masks: int

    @property
    def average(self) -> float:
        """Average recall over ``THRESHOLDS``."""
        if not len(self.best_iou):
            return float("nan")
        return float((self.best_iou[:, None] >= THRESHOLDS - 1e-9).mean())


def recall(found: MaskSet, labels: np.ndarray) -> Recall:
    """Compare with (H, W) labels, 0 where there is no object."""
    sizes = np.bincount(labels.ravel())
    iou = np.zeros((len(found), len(sizes)))
    for i in range(len(found)):
        a, b, c, d = found.boxes[i]
        shared = np.bincount(labels[a:c, b:d][found.crop(i)], minlength=len(sizes))
        iou[i] = shared / np.maximum(sizes + found.area[i] - shared, 1)
    objects = np.flatnonzero(sizes[1:]) + 1
    iou = iou[:, objects]
    best = iou.max(axis=0, initial=0)
    return Recall(best, len(found), int((iou.max(axis=1, initial=0) < FALSE_BELOW).sum()))
