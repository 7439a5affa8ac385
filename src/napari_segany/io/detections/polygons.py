"""Polygons with holes and of several parts, as prompts: a box, and an outline for a rough mask."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_segany.core.shape_prompts import ShapePrompt, prompts_of_shape
from napari_segany.io.detections.placement import box_of_size
from napari_segany.io.detections.types import Detections, RowError

CORNER = 0.5
"""Distance from the corner of a pixel, from which other programs count, to its centre."""


def prompt_of_rings(rings: Sequence[NDArray[np.float64]]) -> ShapePrompt:
    """Return the prompt of an object whose pixels lie within an odd number of rings.

    Parameters
    ----------
    rings : sequence of ndarray
        (N, 2) rows and columns of outer rings and holes, from the corner of the image.

    Raises
    ------
    RowError
        If there is no ring of three corners, or it has no area.
    """
    usable = [_opened(ring) for ring in rings]
    usable = [ring for ring in usable if len(ring) >= 3]
    if not usable or not all(np.isfinite(ring).all() for ring in usable):
        raise RowError("it has no polygon of at least three corners")
    corners = np.concatenate(usable)
    low, high = corners.min(axis=0), corners.max(axis=0)
    prompt = box_of_size(*low.tolist(), *(high - low).tolist())
    prompt.outline = joined(usable) - CORNER
    return prompt


def _opened(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a ring without its first corner at the end."""
    return ring[:-1] if len(ring) > 1 and (ring[0] == ring[-1]).all() else ring


def prompt_of_line(spots: NDArray[np.float64]) -> ShapePrompt:
    """Return the prompt of a line, points along it, by (N, 2) rows and columns of its corners.

    Raises
    ------
    RowError
        If it lies left of or above the image.
    """
    end = int(np.ceil(np.abs(spots).max())) + 1
    prompt = prompts_of_shape("path", spots, 1, (end, end))
    if prompt.empty:
        raise RowError("its line lies outside the image")
    return prompt


def joined(rings: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return one closed line through all rings, which fills the same pixels.

    It goes from the first corner of the first ring to each of the others and back on the same
    line, which encloses nothing.
    """
    first = rings[0][:1]
    parts = [np.concatenate([first, ring, ring[:1], first]) for ring in rings[1:]]
    return np.concatenate([rings[0], *parts])


def to_labels(detections: Detections, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Return the (H, W) labels of detections with outlines; the number of each is its label.

    Of objects that overlap the later one is seen. Planes are not told apart.

    Parameters
    ----------
    detections : Detections
        Objects; those without an outline are left out.
    shape : tuple of int
        (H, W) of the plane.
    """
    labels = np.zeros(shape, np.int32)
    for each in detections:
        if each.outline is not None:
            labels[polygon2mask(shape, each.outline)] = each.number
    return labels
