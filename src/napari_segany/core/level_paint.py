"""Labels of many masks, painted window by window at the resolution of any level of a pyramid.

A level with a step of k shows the middle pixel of every k x k pixels of the plane. All masks of a
window are painted together, so that the time follows the pixels of the window and not the plane.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.masks import MaskSet

Box = tuple[int, int, int, int]
"""Half-open row_min, col_min, row_max, col_max in pixels of a level."""

PIXELS_AT_ONCE = 2**20
"""Pixels of the boxes of masks that are looked at together."""


class WindowLabels(Protocol):
    """Labels of a plane that can be painted in windows."""

    def paint(self, out: NDArray[np.int32], origin: tuple[int, int], step: int) -> None:
        """Paint a window of a level over what is there.

        Parameters
        ----------
        out : ndarray
            (h, w) int32, the window.
        origin : tuple of int
            Row and column of its first pixel in the level.
        step : int
            Pixels of the plane for a pixel of the level.
        """
        ...


def level_box(boxes: ArrayLike, step: int) -> NDArray[np.int64]:
    """Return (N, 4) half-open boxes of a level with the pixels that (N, 4) boxes of a plane hold.

    Examples
    --------
    >>> level_box([[0, 0, 8, 9], [3, 5, 5, 6]], 4).tolist()
    [[0, 0, 2, 2], [1, 1, 1, 1]]
    """
    found: NDArray[np.int64] = -((step // 2 - np.asarray(boxes, np.int64).reshape(-1, 4)) // step)
    return found


class LevelPainter:
    """Labels of masks of a plane.

    Parameters
    ----------
    masks : MaskSet
        The masks from the bottom to the top.
    ids : ndarray
        (N,) label of each, above 0.
    """

    def __init__(self, masks: MaskSet, ids: ArrayLike) -> None:
        self.masks, self.ids = masks, np.asarray(ids, np.int32)
        self._bits = masks.packed
        boxes = masks.boxes
        # Around all masks, so that windows elsewhere are left at once.
        self._extent = (
            np.array([*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)])
            if len(masks)
            else np.zeros(4, np.int64)
        )

    def paint(self, out: NDArray[np.int32], origin: tuple[int, int], step: int) -> None:
        """Paint a window of a level over what is there; see :class:`WindowLabels`."""
        end = origin[0] + out.shape[0], origin[1] + out.shape[1]
        if not _meet(level_box(self._extent, step), origin, end)[0]:
            return
        # In pixels of the plane first: few of all masks meet a window.
        low = [each * step for each in origin]
        high = [each * step for each in end]
        a, b, c, d = self.masks.boxes.T
        near = np.flatnonzero((a < high[0]) & (c > low[0]) & (b < high[1]) & (d > low[1]))
        boxes = level_box(self.masks.boxes[near], step)
        boxes[:, :2] = np.maximum(boxes[:, :2], origin)
        boxes[:, 2:] = np.minimum(boxes[:, 2:], end)
        sides = boxes[:, 2:] - boxes[:, :2]
        there = (sides > 0).all(axis=1)
        near, boxes, sides = near[there], boxes[there], sides[there]
        pixels = sides.prod(axis=1)
        # The order of masks is that of painting, so groups follow each other.
        group = pixels.cumsum() // PIXELS_AT_ONCE
        for some in np.split(np.arange(len(near)), 1 + np.flatnonzero(np.diff(group))):
            if len(some):
                self._paint_some(out, origin, step, near[some], boxes[some], pixels[some])

    def _paint_some(
        self,
        out: NDArray[np.int32],
        origin: tuple[int, int],
        step: int,
        numbers: NDArray[np.int64],
        boxes: NDArray[np.int64],
        pixels: NDArray[np.int64],
    ) -> None:
        width = boxes[:, 3] - boxes[:, 1]
        mask = np.repeat(np.arange(len(numbers), dtype=np.int32), pixels)
        before = (pixels.cumsum() - pixels).astype(np.int32)
        place = np.arange(len(mask), dtype=np.int32) - before[mask]
        across = width.astype(np.int32)[mask]
        row = place // across
        col = place - row * across
        row += boxes[:, 0].astype(np.int32)[mask]
        col += boxes[:, 1].astype(np.int32)[mask]
        # Of each mask the byte that would hold row 0 and column 0 of the plane.
        first = self.masks.boxes[numbers]
        stride = self._bits.sizes[numbers, 1]
        start = self._bits.starts[numbers] - first[:, 0] * stride - first[:, 1] // 8
        seen_col = col * step + step // 2
        byte = start[mask] + (row * step + step // 2) * stride[mask] + (seen_col >> 3)
        on = (self._bits.buffer[byte] >> (7 - (seen_col & 7)).astype(np.uint8)) & 1
        drawn = np.flatnonzero(on)
        # Of equal places the last one counts, which lies on top.
        out[row[drawn] - origin[0], col[drawn] - origin[1]] = self.ids[numbers][mask[drawn]]


class StackedLabels:
    """Labels that lie on top of each other.

    Parameters
    ----------
    layers : sequence of WindowLabels
        The labels, from the bottom to the top.
    """

    def __init__(self, layers: Sequence[WindowLabels]) -> None:
        self.layers = tuple(layers)

    def paint(self, out: NDArray[np.int32], origin: tuple[int, int], step: int) -> None:
        """Paint a window of a level over what is there; see :class:`WindowLabels`."""
        for each in self.layers:
            each.paint(out, origin, step)


def _meet(
    boxes: NDArray[np.int64], origin: tuple[int, int], end: tuple[int, int]
) -> NDArray[np.bool_]:
    inside = np.concatenate([boxes[:, :2] < end, boxes[:, 2:] > origin], axis=1)
    found: NDArray[np.bool_] = np.logical_and.reduce(inside, axis=1)
    return found
