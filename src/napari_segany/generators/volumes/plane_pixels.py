"""Cells of a plane's maps as its pixels."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Value = TypeVar("Value", bound=np.generic)


def enlarge_cells(values: NDArray[Value], step: int, shape: tuple[int, int]) -> NDArray[Value]:
    """Return the value of its cell for every pixel.

    Parameters
    ----------
    values : ndarray
        (h, w) of cells.
    step : int
        Pixels for each cell, a side.
    shape : tuple of int
        (H, W) of the plane; the last cells can reach beyond it.
    """
    if step > 1:
        values = values.repeat(step, axis=0).repeat(step, axis=1)
    return values[: shape[0], : shape[1]]


def depths(
    foreground: NDArray[np.float32],
    outlines: Sequence[float],
    step: int,
    shape: tuple[int, int],
) -> NDArray[np.int8]:
    """Return within how many outlines each pixel lies.

    Parameters
    ----------
    foreground : ndarray
        (h, w) probability of each cell, interpolated between their middles.
    outlines : sequence of float
        Probabilities at which objects end, in ascending order.
    step, shape
        As for :func:`enlarge_cells`.

    Returns
    -------
    ndarray
        (H, W) int8, 0 outside all of them.
    """
    if step > 1:
        foreground = ndimage.zoom(foreground, step, order=1, mode="nearest", grid_mode=True)
    probability = foreground[: shape[0], : shape[1]]
    found = np.zeros(probability.shape, np.int8)
    for outline in outlines:
        found += probability > outline
    return found


def within_outline(
    foreground: NDArray[np.float32], outline: float, step: int, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the (H, W) pixels in which objects can be, see :func:`depths`."""
    return depths(foreground, (outline,), step, shape) > 0
