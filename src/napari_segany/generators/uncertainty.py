"""Uncertainty of masks, for reviewing the most uncertain objects first."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.mask_shape import touches_border
from napari_segany.core.masks import MaskSet

SPREADS = 6.0
"""Spreads of the logarithm of area, off the median, that count as fully unusual."""

AT_BORDER = 0.25
"""Uncertainty of an object that is cut by the border."""


def uncertainty(masks: MaskSet) -> NDArray[np.float64]:
    """Return the uncertainty of each mask of a plane.

    Parameters
    ----------
    masks : MaskSet
        The objects of one plane.

    Returns
    -------
    ndarray
        (N,) in 0..1: one minus the product of the evidence for an object, which is its predicted
        IoU, its stability, a size like that of the others (median and median absolute deviation of
        the logarithm of area), pixels that no other object claims, and not being cut by the border.
    """
    if not len(masks):
        return np.zeros(0)
    size = np.log(np.maximum(masks.area, 1))
    middle = np.median(size)
    # As wide as a standard deviation where sizes are normally distributed.
    spread = 1.4826 * float(np.median(np.abs(size - middle)))
    odd = np.abs(size - middle) / spread if spread > 0 else (size != middle) * SPREADS
    claims = np.zeros(masks.shape, np.uint16)
    for i, (a, b, c, d) in enumerate(masks.boxes.tolist()):
        claims[a:c, b:d] += masks.crop(i)
    alone = np.array(
        [
            (claims[a:c, b:d][masks.crop(i)] == 1).mean() if c > a else 1.0
            for i, (a, b, c, d) in enumerate(masks.boxes.tolist())
        ]
    )
    for_it = np.clip(masks.predicted_iou, 0, 1) * np.clip(masks.stability_score, 0, 1)
    for_it = for_it * (1 - np.clip(odd / SPREADS, 0, 1)) * alone
    for_it = for_it * (1 - AT_BORDER * touches_border(masks.boxes, masks.shape))
    found: NDArray[np.float64] = 1 - for_it.astype(np.float64)
    return found
