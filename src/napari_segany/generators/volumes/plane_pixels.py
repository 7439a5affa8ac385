"""Cells of a plane's maps as its pixels."""

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


def within_outline(
    foreground: NDArray[np.float32], outline: float, step: int, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the (H, W) pixels in which objects can be.

    Parameters
    ----------
    foreground : ndarray
        (h, w) probability of each cell, interpolated between their middles.
    outline : float
        Probability at which objects end.
    step, shape
        As for :func:`enlarge_cells`.
    """
    if step > 1:
        foreground = ndimage.zoom(foreground, step, order=1, mode="nearest", grid_mode=True)
    inside: NDArray[np.bool_] = foreground[: shape[0], : shape[1]] > outline
    return inside
