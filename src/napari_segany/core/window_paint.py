"""Masks of a plane painted as labels window by window, for planes that do not fit memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.binary_mask import drop_small_specks, fill_small_holes
from napari_segany.core.overlap import Overlap
from napari_segany.core.rasterize import Paintable, paint_order

Box = tuple[int, int, int, int]
"""Half-open row_min, col_min, row_max, col_max in pixels."""

WINDOW_SIDE = 1024
"""Side of the windows in which a plane is painted, in pixels."""


def windows_of(box: Box, side: int) -> Iterator[Box]:
    """Iterate over the windows of ``side`` pixels that a box is divided into, row by row.

    They lie on a grid that begins at row and column 0 of the plane.

    Examples
    --------
    >>> list(windows_of((0, 5, 8, 20), 10))
    [(0, 5, 8, 10), (0, 10, 8, 20)]
    """
    top, left, bottom, right = box
    for row in range(top // side * side, bottom, side):
        for col in range(left // side * side, right, side):
            yield max(row, top), max(col, left), min(row + side, bottom), min(col + side, right)


def cleaned_crop(masks: Paintable, number: int, holes: int, specks: int) -> NDArray[np.bool_]:
    """Return a mask within its box, with holes and specks below some pixels filled and dropped."""
    crop = masks.crop(number)
    if holes:
        top, left, bottom, right = masks.boxes[number].tolist()
        height, width = masks.shape
        # Around the box lies background, unless the plane ends there.
        sides = ((int(top > 0), int(bottom < height)), (int(left > 0), int(right < width)))
        around = np.pad(np.zeros(crop.shape, bool), sides, constant_values=True)
        filled = fill_small_holes(np.pad(crop, sides), holes, around)
        rows, cols = ((near, near + n) for (near, _), n in zip(sides, crop.shape, strict=True))
        crop = filled[slice(*rows), slice(*cols)]
    return drop_small_specks(crop, specks) if specks else crop


class WindowPainter:
    """Labels of a plane, painted where they are asked for.

    The pixels are those of :func:`napari_segany.core.rasterize.paint`. One window at a time is in
    memory.

    Parameters
    ----------
    masks : MaskSet
        The masks, which may overlap.
    overlap, min_area, fill_holes, drop_specks, min_visible
        As for :func:`paint`.

    Attributes
    ----------
    source : ndarray
        (n,) index into ``masks`` of each object; object k has the id k + 1.
    shape : tuple of int
        (H, W) of the plane.
    """

    def __init__(
        self,
        masks: Paintable,
        overlap: Overlap = "small_on_top",
        min_area: int = 0,
        fill_holes: int = 0,
        drop_specks: int = 0,
        min_visible: float = 0.1,
    ) -> None:
        self.shape = masks.shape
        self._masks, self._cleaned = masks, (fill_holes, drop_specks)
        self._rank = np.full(len(masks), -1, np.int64)
        order = [i for i in paint_order(masks, overlap) if masks.area[i] >= min_area]
        self._rank[order] = np.arange(len(order))
        self._ids = np.arange(1, len(masks) + 1)
        visible = np.zeros(len(masks), np.int64)
        for box in windows_of((0, 0, *self.shape), WINDOW_SIDE):
            # Numbers of this window only: a plane may have a million objects.
            meeting = self._meeting(box)
            if len(meeting):
                local = self._painted(box, meeting, np.arange(1, len(meeting) + 1))
                visible[meeting] += np.bincount(local.ravel(), minlength=len(meeting) + 1)[1:]
        drawn = np.array([self._drawn(i) for i in range(len(masks))], np.int64)
        keep = (visible >= max(min_area, 1)) & (visible >= min_visible * drawn)
        # Masks that are left out must not leave a hole in the masks below them.
        self._rank[~keep] = -1
        self.source: NDArray[np.intp] = np.flatnonzero(keep)
        self._ids[self.source] = np.arange(1, len(self.source) + 1)

    def _drawn(self, number: int) -> int:
        cleaned = any(self._cleaned)
        return int(np.count_nonzero(self._crop(number)) if cleaned else self._masks.area[number])

    def _crop(self, number: int) -> NDArray[np.bool_]:
        return cleaned_crop(self._masks, number, *self._cleaned)

    def _meeting(self, box: Box) -> NDArray[np.intp]:
        """Return the masks that have pixels in a window, from the bottom to the top."""
        top, left, bottom, right = box
        a, b, c, d = self._masks.boxes.T
        inside = (a < bottom) & (c > top) & (b < right) & (d > left) & (self._rank >= 0)
        found = np.flatnonzero(inside)
        return found[np.argsort(self._rank[found])]

    def window(self, box: Box) -> NDArray[np.unsignedinteger]:
        """Return (h, w) ids of a window of the plane, 0 for background."""
        meeting = self._meeting(box)
        return self._painted(box, meeting, self._ids[meeting])

    def _painted(
        self, box: Box, numbers: NDArray[np.intp], ids: NDArray[np.integer]
    ) -> NDArray[np.unsignedinteger]:
        """Return a window with masks painted one over the other, each with its id."""
        top, left, bottom, right = box
        kind = np.uint16 if len(self._masks) < 2**16 else np.uint32
        labels = np.zeros((bottom - top, right - left), kind)
        for i, label in zip(numbers.tolist(), ids.tolist(), strict=True):
            a, b, c, d = self._masks.boxes[i].tolist()
            rows, cols = (max(a, top), min(c, bottom)), (max(b, left), min(d, right))
            part = self._crop(i)[rows[0] - a : rows[1] - a, cols[0] - b : cols[1] - b]
            shown = labels[rows[0] - top : rows[1] - top, cols[0] - left : cols[1] - left]
            shown[part] = label
        return labels

    def objects(self, numbers: NDArray[np.intp]) -> "ObjectWindow":
        """Return the pixels of some objects in the window that holds them.

        Parameters
        ----------
        numbers : ndarray
            (k,) objects, from 0 on; at least one.
        """
        boxes = self._masks.boxes[self.source[numbers]]
        box = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())
        labels = self.window(box)
        # The ids of these objects become 1 to k, and all others 0.
        local = np.zeros(len(self.source) + 1, labels.dtype)
        local[numbers + 1] = np.arange(1, len(numbers) + 1)
        return ObjectWindow(box, local[labels])


@dataclass(frozen=True, eq=False)
class ObjectWindow:
    """Pixels of some objects of a plane.

    Attributes
    ----------
    box : tuple of int
        The window of the plane.
    labels : ndarray
        (h, w) ids from 1 on in the order in which the objects were asked for.
    """

    box: Box
    labels: NDArray[np.unsignedinteger]
