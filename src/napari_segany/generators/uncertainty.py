"""Uncertainty of masks, for reviewing the most uncertain objects first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.coverage import SharingPairs, covered_pixels, sharing_pairs
from napari_segany.core.mask_shape import touches_border
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps

SPREADS = 6.0
"""Spreads of the logarithm of area, off the median, that count as fully unusual."""

CLEAR = 0.9
"""Evidence from which nothing is said about it."""

AT_BORDER = 0.25
"""Uncertainty of an object that is cut by the border."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence that masks of a plane are whole objects, and the measurements behind it.

    Attributes
    ----------
    masks : MaskSet
        The N masks.
    predicted_iou, stability : ndarray
        (N,) in 0..1.
    size : ndarray
        (N,) areas in medians of the plane.
    usual_size : ndarray
        (N,) in 0..1; 1 for a size like that of the others, by the median absolute deviation of the
        logarithm of area.
    alone : ndarray
        (N,) share of the pixels that no other object claims.
    at_border : ndarray
        (N,) bool; cut by the border.
    """

    masks: MaskSet
    predicted_iou: NDArray[np.float64]
    stability: NDArray[np.float64]
    size: NDArray[np.float64]
    usual_size: NDArray[np.float64]
    alone: NDArray[np.float64]
    at_border: NDArray[np.bool_]

    @property
    def uncertainty(self) -> NDArray[np.float64]:
        """(N,) in 0..1: one minus the product of all evidence."""
        for_it = self.predicted_iou * self.stability * self.usual_size * self.alone
        return 1 - for_it * (1 - AT_BORDER * self.at_border)

    def reasons(self, number: int) -> list[str]:
        """Return what speaks against an object in words, the strongest first; often nothing does.

        Parameters
        ----------
        number : int
            Place of its mask in the set.
        """
        size = float(self.size[number])
        how = f"{size:.1f} times" if size >= 1 else f"{size:.0%} of"
        shared = 1 - float(self.alone[number])
        found = [
            (float(self.predicted_iou[number]), f"IoU {self.predicted_iou[number]:.2f}"),
            (float(self.stability[number]), f"stability {self.stability[number]:.2f}"),
            (float(self.usual_size[number]), f"{how} the usual size"),
            (1 - shared, f"{shared:.0%} of it claimed by others"),
            (1 - AT_BORDER * bool(self.at_border[number]), "cut by the border"),
        ]
        return [text for share, text in sorted(found) if share < CLEAR]


def evidence(masks: MaskSet, pairs: SharingPairs | None = None) -> Evidence:
    """Return the evidence for each mask of a plane.

    Parameters
    ----------
    masks : MaskSet
        The objects of one plane.
    pairs : tuple, optional
        Those that share pixels, as :func:`napari_segany.core.coverage.sharing_pairs` returns them,
        if they are known.
    """
    if not len(masks):
        none = np.zeros(0)
        return Evidence(masks, none, none, none, none, none, np.zeros(0, np.bool_))
    size = np.log(np.maximum(masks.area, 1))
    middle = np.median(size)
    # As wide as a standard deviation where sizes are normally distributed.
    spread = 1.4826 * float(np.median(np.abs(size - middle)))
    odd = np.abs(size - middle) / spread if spread > 0 else (size != middle) * SPREADS
    if pairs is None:
        overlaps = Overlaps(masks.boxes, masks.area, masks.count_shared)
        pairs = sharing_pairs(overlaps, np.arange(len(masks)))
    one, two, shared = pairs
    both = np.concatenate([one, two]), np.concatenate([two, one]), np.tile(shared, 2)
    claimed = covered_pixels(masks, *both)
    alone = np.where(masks.area > 0, 1 - claimed / np.maximum(masks.area, 1), 1.0)
    return Evidence(
        masks,
        np.clip(masks.predicted_iou, 0, 1).astype(np.float64),
        np.clip(masks.stability_score, 0, 1).astype(np.float64),
        np.exp(size - middle),
        1 - np.clip(odd / SPREADS, 0, 1),
        alone,
        touches_border(masks.boxes, masks.shape),
    )


def uncertainty(masks: MaskSet) -> NDArray[np.float64]:
    """Return the uncertainty of each mask of a plane, (N,) in 0..1; see :class:`Evidence`."""
    return evidence(masks).uncertainty
