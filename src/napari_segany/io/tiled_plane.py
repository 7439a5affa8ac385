"""Results of a plane that does not fit memory: its objects, group by group of neighbours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.core.planes import Box
from napari_segany.core.window_paint import WindowPainter, windows_of

GROUP_SIDE = 2048
"""Side in pixels of the squares whose objects are measured and exported together."""

READ_SIDE = 2048
"""Side in pixels of the windows from which a picture of a plane is made."""

ReadWindow = Callable[[Box], NDArray[np.generic]]
"""Returns the pixels of a box of the plane as they were read."""


@dataclass(frozen=True, eq=False)
class ObjectGroup:
    """Neighbouring objects of a plane.

    Attributes
    ----------
    numbers : ndarray
        (k,) numbers of the objects in the plane, from 0 on.
    box : tuple of int
        Window of the plane that holds them.
    labels : ndarray
        (h, w) ids from 1 to k in this window.
    masks : MaskSet
        The mask of each, in pixels of the plane.
    """

    numbers: NDArray[np.intp]
    box: Box
    labels: NDArray[np.unsignedinteger]
    masks: MaskSet


@dataclass(frozen=True, eq=False)
class TiledPlane:
    """Objects of a plane that is painted where it is looked at.

    Attributes
    ----------
    index : tuple of int
        Along the leading axes.
    painter : WindowPainter
        Paints ids from 1 on.
    masks : MaskSet
        The mask of each id, in order.
    searched : tuple of int
        Box of the plane in which objects were searched.
    """

    index: tuple[int, ...]
    painter: WindowPainter
    masks: MaskSet
    searched: Box

    def groups(self) -> Iterator[ObjectGroup]:
        """Iterate over the objects by the square that their boxes are centred in, row by row.

        Memory is bounded by a square. An object that is larger than one is a group by itself.
        """
        boxes = self.masks.boxes
        if not len(boxes):
            return
        squares = (boxes[:, :2] + boxes[:, 2:]) // 2 // GROUP_SIDE
        large = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) > GROUP_SIDE
        order = np.lexsort((np.arange(len(boxes)), large, squares[:, 1], squares[:, 0]))
        keys = np.column_stack([squares, large, np.where(large, np.arange(len(boxes)), 0)])[order]
        ends = np.flatnonzero((keys[1:] != keys[:-1]).any(axis=1)) + 1
        for numbers in np.split(order, ends):
            found = self.painter.objects(numbers)
            yield ObjectGroup(numbers, found.box, found.labels, self.masks[numbers])

    def picture(
        self, read: ReadWindow, side: int
    ) -> tuple[NDArray[np.generic], NDArray[np.integer]]:
        """Return pixels and ids of what was searched, at most ``side`` pixels long.

        Of as many neighbours the first pixel is shown. One window at a time is in memory.
        """
        top, left, bottom, right = self.searched
        step = -(-max(bottom - top, right - left) // side)
        shape = -(-(bottom - top) // step), -(-(right - left) // step)
        pixels: NDArray[np.generic] | None = None
        labels = np.zeros(shape, np.int64)
        for a, b, c, d in windows_of(self.searched, READ_SIDE):
            # The first row and column of this window that are shown.
            row, col = -(-(a - top) // step), -(-(b - left) // step)
            down, across = row * step + top - a, col * step + left - b
            part = read((a, b, c, d))[down::step, across::step]
            if pixels is None:
                pixels = np.zeros((*shape, *part.shape[2:]), part.dtype)
            where = slice(row, row + part.shape[0]), slice(col, col + part.shape[1])
            pixels[where] = part
            labels[where] = self.painter.window((a, b, c, d))[down::step, across::step]
        assert pixels is not None, "a searched box has pixels"
        known = np.unique(np.append(labels, 0), return_inverse=True)[1][:-1]
        return pixels, known.reshape(shape)
