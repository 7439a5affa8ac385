"""Placement of boxes and points in an image: ordering, clipping and lookup of planes."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.detections.types import PlanePosition, RowError, TableImage

LEAST = 0.5
"""Pixels between the edges of the box around a single pixel."""

SLACK = 1.0
"""Pixels by which a box may exceed the image without a remark; some programs count edges so."""


def box_between(corners: Sequence[float], half_open: bool = False) -> ShapePrompt:
    """Return the box between two opposite corners in any order, rows before columns.

    ``half_open`` boxes run along the edges of pixels: they end after their last one.

    Raises
    ------
    RowError
        If it has no area.
    """
    a, b, c, d = corners
    (a, c), (b, d) = sorted((a, c)), sorted((b, d))
    if a == c or b == d:
        raise RowError("its box has no area")
    if half_open:
        c, d = max(c - 1, a + LEAST), max(d - 1, b + LEAST)
    return ShapePrompt(box=[a, b, c, d])


def box_of_size(row: float, col: float, height: float, width: float) -> ShapePrompt:
    """Return the box of a corner and a size, along the edges of pixels.

    Examples
    --------
    >>> box_of_size(20, 10, 40, 30).box
    [20, 10, 59, 39]
    """
    return box_between([row, col, row + height, col + width], half_open=True)


def exceeds_plane(spots: NDArray[np.float64], shape: tuple[int, int]) -> bool:
    """Return True if some of (N, 2) positions exceed a plane by more than the tolerance."""
    return bool((spots < -SLACK).any() or (spots > np.asarray(shape) - 1 + SLACK).any())


def clip_to_plane(prompt: ShapePrompt, shape: tuple[int, int]) -> str:
    """Clip a prompt's box at the border of a plane; return a remark, or an empty string.

    Raises
    ------
    RowError
        If it lies outside.
    """
    rows, cols = shape
    description = f"the image, whose rows are 0..{rows - 1} and columns 0..{cols - 1}"
    for row, col in prompt.points:
        if not (-0.5 <= row <= rows - 0.5 and -0.5 <= col <= cols - 0.5):
            raise RowError(f"its point lies outside {description}")
    if prompt.box is None:
        return ""
    a, b, c, d = prompt.box
    if c <= -0.5 or d <= -0.5 or a >= rows - 0.5 or b >= cols - 0.5:
        raise RowError(f"its box lies outside {description}")
    if min(a, b) >= -SLACK and c <= rows - 1 + SLACK and d <= cols - 1 + SLACK:
        return ""
    (a, c), (b, d) = _cut(a, c, rows), _cut(b, d, cols)
    prompt.box = [a, b, c, d]
    return "was cut at the border of the image"


def _cut(low: float, high: float, size: int) -> tuple[float, float]:
    """Return an interval clipped at both ends of an axis."""
    low = min(max(low, 0.0), size - 1.0)
    return low, max(min(max(high, 0.0), size - 1.0), low + LEAST)


def plane_number(name: str, value: float) -> int:
    """Return the index of a plane; raise :class:`RowError` if it is between two."""
    if abs(value - round(value)) > 1e-3:
        raise RowError(f"{name} {value:g} lies between planes")
    return round(value)


class PlaneResolver:
    """Mapping of a table's planes to those of the image.

    Parameters
    ----------
    image : TableImage
        The image.
    columns : mapping
        Names of the columns that say the plane, by axis; "" is the last axis.
    first : int
        Number of the first plane in the table.
    places : iterable of mapping
        All that the table names, from 0 on.
    """

    def __init__(
        self,
        image: TableImage,
        columns: Mapping[str, str],
        first: int,
        places: Iterable[PlanePosition],
    ) -> None:
        self._image, self._columns, self._first = image, columns, first
        self._seen: dict[str, set[int]] = {}
        for place in places:
            for axis, index in place.items():
                self._seen.setdefault(axis, set()).add(index)
        self._axis = self._axes()

    def _axes(self) -> dict[str, str | None]:
        """Return the image's axis for each of the table's; None if there is none."""
        leading = self._image.leading
        known: dict[str, str | None] = {axis: axis for axis in self._seen if axis in leading}
        others = [axis for axis, indices in self._seen.items() if axis not in known]
        # An axis that stays at the first plane need not be one of the image.
        moving = [axis for axis in others if self._seen[axis] != {0}]
        free = [axis for axis in leading if axis not in known]
        for axis in others:
            if axis == "" and free:
                known[axis] = free[-1]
            elif (moving or others) == [axis] and len(free) == 1:
                # One stack, whatever its axis is called.
                known[axis] = free[0]
            else:
                known[axis] = None
        return known

    def check_count(self) -> None:
        """Raise InputError if the table may well count from 1 and not from 0."""
        for axis, indices in self._seen.items():
            ours = self._axis[axis]
            length = 1 if ours is None else self._image.leading[ours]
            if self._first == 0 and min(indices) >= 1 and max(indices) == length:
                raise InputError(
                    f"The column {self._columns[axis]} goes from {min(indices)} to {length} and "
                    f"the image has {length} plane{'s' if length > 1 else ''} there, so planes may "
                    "be counted from 1 or from 0. Say what the first plane is called: "
                    "--first-plane 1, or 0 to leave out what is beyond the last (in napari: first "
                    "plane)."
                )

    def of(self, place: PlanePosition) -> PlanePosition:
        """Return a position along the image's axes.

        Raises
        ------
        RowError
            If the image has no such plane.
        """
        found = {}
        for axis, index in place.items():
            ours, name = self._axis[axis], self._columns[axis]
            length = 1 if ours is None else self._image.leading[ours]
            if not 0 <= index < length:
                last = length - 1 + self._first
                there = f"planes {self._first}..{last}" if length > 1 else "one plane"
                raise RowError(f"{name} {index + self._first} is not there: the image has {there}")
            if ours is not None:
                found[ours] = index
        return found
