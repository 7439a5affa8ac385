"""Tiles: a plane as overlapping squares, and the tile that owns each object.

Functions are pure, so that every process cuts a plane into the same tiles and gives each object to
the same one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.errors import InputError

ALIGNMENT = 8
"""Pixels of which the first column of a tile is a multiple, as packed masks need it."""

LARGEST_SIDE = 8192
"""Side in pixels that coarser tiles do not exceed, as a tile is read as a whole."""

Box = tuple[int, int, int, int]
"""Half-open row_min, col_min, row_max, col_max in pixels."""


@dataclass(frozen=True)
class Tile:
    """One tile of a plane.

    Attributes
    ----------
    number : int
        Number of the tile, counted row by row from 0.
    row, col : int
        Place of the tile in the grid.
    box : tuple of int
        Half-open row_min, col_min, row_max, col_max in pixels of the plane.
    """

    number: int
    row: int
    col: int
    box: Box

    @property
    def slices(self) -> tuple[slice, slice]:
        """The tile as an index of the plane."""
        return slice(self.box[0], self.box[2]), slice(self.box[1], self.box[3])


@dataclass(frozen=True)
class TileGrid:
    """Overlapping tiles that cover a plane.

    Attributes
    ----------
    shape : tuple of int
        (H, W) of the plane in pixels.
    side : int
        Side of a tile in pixels. Tiles at the end may be a little wider, and a plane that is
        shorter has shorter tiles.
    overlap : int
        Least number of pixels that neighbours share; less than half of ``side``.
    levels : int
        Levels of tiles that cover the plane, each of twice the side of the one before.

    Raises
    ------
    InputError
        If the overlap does not fit the side, or there is no level.

    Examples
    --------
    >>> grid = TileGrid((100, 200), side=80, overlap=16)
    >>> grid.rows, grid.cols, grid.tile(5).box
    (2, 4, (16, 40, 100, 120))
    """

    shape: tuple[int, int]
    side: int
    overlap: int
    levels: int = 1

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.overlap < self.side - 2 * ALIGNMENT:
            raise InputError(
                f"Tiles of {self.side} pixels cannot overlap by {self.overlap} pixels; the overlap "
                "must be less than half of the side."
            )
        if self.levels < 1:
            raise InputError(f"There must be at least one level of tiles, got {self.levels}.")

    @cached_property
    def spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(rows, 2) and (cols, 2) half-open first and last pixel of the tiles along each axis."""
        rows, cols = (_spans(length, self.side, self.overlap) for length in self.shape)
        return rows, cols

    @property
    def rows(self) -> int:
        """Number of tiles from top to bottom."""
        return len(self.spans[0])

    @property
    def cols(self) -> int:
        """Number of tiles from left to right."""
        return len(self.spans[1])

    def __len__(self) -> int:
        return self.rows * self.cols

    def __iter__(self) -> Iterator[Tile]:
        return (self.tile(number) for number in range(len(self)))

    def tile(self, number: int) -> Tile:
        """Return a tile by its number."""
        row, col = divmod(number, self.cols)
        (top, bottom), (left, right) = self.spans[0][row].tolist(), self.spans[1][col].tolist()
        return Tile(number, row, col, (top, left, bottom, right))

    def owners(self, boxes: ArrayLike) -> NDArray[np.int64]:
        """Return (N,) the number of the tile that owns each of (N, 4) boxes.

        It is the one in which the box has the most room, that is, the largest distance to the
        tile's nearest border within the plane; among equals the first. Exactly one tile owns a box.
        """
        rows, cols = (self._rooms(axis, boxes).argmax(axis=1) for axis in (0, 1))
        owners: NDArray[np.int64] = rows * self.cols + cols
        return owners

    def most_room(self, boxes: ArrayLike) -> NDArray[np.float64]:
        """Return (N,) the room that each of (N, 4) boxes has in its owner, in pixels.

        It is infinite where the owner has no border within the plane, and not above 0 for a box
        that no tile contains with a pixel to spare.
        """
        rows, cols = (self._rooms(axis, boxes).max(axis=1) for axis in (0, 1))
        most: NDArray[np.float64] = np.minimum(rows, cols)
        return most

    def room(self, number: int, boxes: ArrayLike) -> NDArray[np.float64]:
        """Return (N,) the distance of (N, 4) boxes to the borders of a tile within the plane."""
        row, col = divmod(number, self.cols)
        own: NDArray[np.float64] = np.minimum(
            self._rooms(0, boxes)[:, row], self._rooms(1, boxes)[:, col]
        )
        return own

    def _rooms(self, axis: int, boxes: ArrayLike) -> NDArray[np.float64]:
        """Return (N, tiles) the room along one axis of each box in each tile."""
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        first, last = boxes[:, [axis]], boxes[:, [axis + 2]]
        starts, ends = self.spans[axis].T.astype(np.float64)
        # Borders of the plane cut nothing.
        before = np.where(starts <= 0, np.inf, first - starts)
        after = np.where(ends >= self.shape[axis], np.inf, ends - last)
        rooms: NDArray[np.float64] = np.minimum(before, after)
        return rooms

    def neighbours(self, number: int) -> tuple[int, ...]:
        """Return the numbers of the other tiles that share pixels with a tile."""
        return tuple(n for n in self.reaching(self.tile(number).box) if n != number)

    def reaching(self, box: Box) -> tuple[int, ...]:
        """Return the numbers of the tiles that share pixels with a box of the plane."""
        found = []
        for axis, (starts, ends) in enumerate(each.T for each in self.spans):
            found.append(np.flatnonzero((starts < box[axis + 2]) & (ends > box[axis])).tolist())
        return tuple(row * self.cols + col for row in found[0] for col in found[1])

    def coarser(self) -> "TileGrid | None":
        """Return tiles of twice the side and overlap, None where these are all there is.

        Above the levels that cover the plane, objects that are longer than the overlap are searched
        in them.
        """
        if self.side >= max(self.shape) or 2 * self.side > LARGEST_SIDE:
            return None
        left = max(self.levels - 1, 1)
        return replace(self, side=2 * self.side, overlap=2 * self.overlap, levels=left)

    @cached_property
    def covering(self) -> tuple["TileGrid", ...]:
        """The levels of tiles that cover the plane, as far as there are any of this size."""
        found = [self]
        while found[-1].levels > 1 and (coarser := found[-1].coarser()) is not None:
            found.append(coarser)
        return tuple(found)

    @property
    def count(self) -> int:
        """Number of tiles of all levels that cover the plane."""
        return sum(map(len, self.covering))


def _spans(length: int, side: int, overlap: int) -> NDArray[np.int64]:
    """Return first and last pixel of tiles that cover ``length`` pixels about evenly."""
    if length <= side:
        return np.array([[0, length]], np.int64)
    # Starts are rounded down, which may not make an overlap smaller than was asked for.
    count = math.ceil((length - overlap) / (side - overlap - ALIGNMENT))
    starts = np.arange(count) * (length - side) // (count - 1) // ALIGNMENT * ALIGNMENT
    ends = starts + side
    ends[-1] = length
    return np.stack([starts, ends], axis=1).astype(np.int64)
