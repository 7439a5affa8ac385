"""Edge maps from masks: the strength of their outlines, stretched and thinned."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FINE = 0.7
"""Pixels by which an edge map is smoothed before it is thinned."""

SOFT = 1.0
"""Pixels by which an edge map is smoothed before its direction is measured."""


def mask_edges(
    logits: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the strength of one mask's outline: Sobel of its probabilities, on its outer border.

    Parameters
    ----------
    logits : ndarray
        (h, w) of the mask, on a part of the plane around it.

    Returns
    -------
    ndarray
        (h, w) float32, zero away from the border (Kirillov et al., "Segment Anything", 2023, D.2).
    """
    inside = logits > 0
    border = ndimage.binary_dilation(inside, np.ones((3, 3), bool)) & ~ndimage.binary_erosion(
        inside, np.ones((3, 3), bool), border_value=1
    )
    probability = 1 / (1 + np.exp(-logits.clip(-50, 50)))
    strength = np.hypot(
        ndimage.sobel(probability, axis=0, mode="nearest"),
        ndimage.sobel(probability, axis=1, mode="nearest"),
    )
    return np.where(border, strength, 0).astype(np.float32)


def normalised(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stretch an edge map to 0..1; a plane without an edge stays 0."""
    low, high = float(edges.min()), float(edges.max())
    if high <= low:
        return np.zeros_like(edges)
    return ((edges - low) / (high - low)).astype(np.float32)


def thinned(edges: NDArray[np.floating]) -> NDArray[np.float32]:
    """Thin each edge to its crest, one pixel wide (Canny, 1986).

    The map is smoothed a little, which closes gaps of a pixel; then a pixel stays if it is at least
    as strong as what lies a pixel to either side, across the edge.

    Parameters
    ----------
    edges : ndarray
        (H, W) strengths.

    Returns
    -------
    ndarray
        (H, W) float32.
    """
    if min(edges.shape) < 2:
        # A line has no two sides.
        return np.asarray(edges, np.float32)
    strength = np.where(np.asarray(edges) > 0, ndimage.gaussian_filter(edges, FINE), 0.0)
    soft = ndimage.gaussian_filter(strength, SOFT / 2)
    rows, cols = np.gradient(ndimage.gaussian_filter(strength, SOFT))
    # Where most of the change around a pixel is: the main direction of the structure tensor.
    row_row, row_col, col_col = (
        ndimage.gaussian_filter(product, 2 * SOFT)
        for product in (rows * rows, rows * cols, cols * cols)
    )
    angle = 0.5 * np.arctan2(2 * row_col, row_row - col_col)
    across = np.stack([np.cos(angle), np.sin(angle)])
    grid = np.stack(np.meshgrid(*map(np.arange, strength.shape), indexing="ij")).astype(float)
    before, after = (
        ndimage.map_coordinates(soft, grid + sign * across, order=1, mode="nearest")
        for sign in (-1, 1)
    )
    # Of two equally strong neighbours one stays.
    crest = (soft >= before) & (soft > after) & (strength > 0)
    return np.where(crest, strength, 0).astype(np.float32)
