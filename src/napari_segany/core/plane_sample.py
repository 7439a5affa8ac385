"""Intensity limits of planes that are too large to be read as a whole, from a sample of windows."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_segany.core.display import Pair
from napari_segany.core.intensity import PERCENTILES, find_limits, keep_apart
from napari_segany.core.planes import Box, StackLayout

SAMPLED_FROM = 2**24
"""Pixels from which on a plane is sampled; smaller ones are read as a whole."""

WINDOWS = 8
"""Windows along each side of a plane that are read as its sample."""

WINDOW_SIDE = 256
"""Side of such a window in pixels."""


def sample_windows(shape: tuple[int, int]) -> Iterator[Box]:
    """Iterate over the windows that stand for a plane of ``shape`` (H, W), row by row.

    A plane below :data:`SAMPLED_FROM` pixels is its only window. They depend on the shape alone,
    so that the same pixels give the same sample from every kind of file.
    """
    height, width = shape
    if height * width < SAMPLED_FROM:
        yield 0, 0, height, width
        return
    for top, bottom in _spread(height):
        for left, right in _spread(width):
            yield top, left, bottom, right


def _spread(length: int) -> list[tuple[int, int]]:
    """Return first and end of windows that are evenly spread over a side."""
    if length <= WINDOWS * WINDOW_SIDE:
        return [(0, length)]
    # Each lies in the middle of its eighth.
    starts = [(2 * n + 1) * length // (2 * WINDOWS) - WINDOW_SIDE // 2 for n in range(WINDOWS)]
    return [(start, start + WINDOW_SIDE) for start in starts]


def plane_limits(
    data: Any,
    layout: StackLayout,
    index: tuple[int, ...],
    percentiles: tuple[float, float] = PERCENTILES,
) -> tuple[Pair, ...] | None:
    """Return the intensity limits of one plane, one pair a channel, from a sample of windows.

    Parameters
    ----------
    data : array
        The image; lazy arrays are read window by window.
    layout : StackLayout
        Its axes and channels.
    index : tuple of int
        Index of the plane along the leading axes.
    percentiles : tuple of float
        Percentiles of the sample that become black and white.

    Returns
    -------
    tuple or None
        (low, high) of each channel, low below high. None for 8-bit colours, which the model sees
        as they are. Up to :data:`SAMPLED_FROM` pixels they are those of the whole plane.

    Raises
    ------
    BlankPlaneError
        If no pixel of the sample is a finite number.
    PlaneError
        If the plane cannot be read.
    """
    height, width = layout.labels_shape[-2:]
    if layout.colours == 3 and np.dtype(data.dtype) == np.uint8 and len(layout.channels) == 1:
        return None
    parts = [layout.window(data, index, box) for box in sample_windows((height, width))]
    samples = [part.reshape(-1, layout.colours) for part in parts]
    pairs = []
    for channel in np.concatenate(samples).T:
        if channel.dtype.kind == "f" and not np.isfinite(channel).any():
            raise layout.blank(index)
        pairs.append(keep_apart(*find_limits(channel, percentiles)))
    return tuple(pairs)
