"""Outlines of labelled objects."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from napari_segany.core.binary_mask import EIGHT_NEIGHBOURS


def parts_of(
    labels: NDArray[np.integer],
) -> Iterator[tuple[int, tuple[int, int], list[NDArray[np.bool_]]]]:
    """Iterate over id, origin of the bounding box, and connected components of each object."""
    for number, where in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if where is not None:
            parts, count = ndimage.label(labels[where] == number, EIGHT_NEIGHBOURS)
            origin = where[0].start, where[1].start
            yield number, origin, [parts == k for k in range(1, count + 1)]


def outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the (N, 2) outer contour of a connected mask, halfway between pixels."""
    lines = find_contours(np.pad(mask, 1).astype(np.float64), 0.5, fully_connected="high")
    longest: NDArray[np.float64] = max(lines, key=lambda line: np.ptp(line, axis=0).sum())
    return longest[:-1] - 1
