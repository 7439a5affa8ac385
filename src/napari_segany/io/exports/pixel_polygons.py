"""Polygons along the edges of pixels, with holes, from which the same pixels are filled again."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Ring = list[tuple[int, int]]
"""Corners of pixels (row, column), the first one not repeated; (0, 0) is the image's corner."""


def polygons_of(mask: NDArray[np.bool_]) -> Iterator[tuple[Ring, list[Ring]]]:
    """Iterate over the parts of a mask: the outer ring of each, and those of its holes.

    Parts touch at corners at most, and no ring touches itself, so that the polygons are valid for
    geometry libraries.

    Examples
    --------
    >>> list(polygons_of(np.array([[True, True]])))
    [([(0, 0), (0, 2), (1, 2), (1, 0)], [])]
    """
    # Pixels that only share a corner are two parts.
    parts, count = ndimage.label(mask)
    for number, where in enumerate(ndimage.find_objects(parts, count), start=1):
        rings = _rings(parts[where] == number)
        origin = where[0].start, where[1].start
        moved = [[(row + origin[0], col + origin[1]) for row, col in ring] for ring in rings]
        # The outer ring goes clockwise, those of holes do not.
        areas = [_area(ring) for ring in moved]
        outer = int(np.argmax(areas))
        yield moved[outer], [ring for k, ring in enumerate(moved) if k != outer]


def _area(ring: Ring) -> float:
    rows, cols = np.array(ring, np.float64).T
    return float(cols @ np.roll(rows, -1) - rows @ np.roll(cols, -1)) / 2


def _rings(mask: NDArray[np.bool_]) -> list[Ring]:
    """Return the closed border lines of a mask, each without a corner that it passes twice."""
    following = _edges(mask)
    rings = []
    while following:
        start = next(iter(following))
        path, at = [start], {start: 0}
        while path[-1] in following:
            ends = following[path[-1]]
            end = ends.pop()
            if not ends:
                del following[path[-1]]
            if end not in at:
                at[end] = len(path)
                path.append(end)
                continue
            # The loop since the last visit is a ring of its own.
            loop = path[at[end] :]
            rings.append(_without_straight(loop))
            for corner in loop[1:]:
                del at[corner]
            del path[at[end] + 1 :]
    return rings


def _edges(mask: NDArray[np.bool_]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Return the borders between pixels, by their first corner, with the mask on the right."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    # By the neighbour that is outside: the first and the second corner of the edge to it.
    sides = (
        (padded[:-2, 1:-1], (0, 0), (0, 1)),
        (padded[1:-1, 2:], (0, 1), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (1, 0)),
        (padded[1:-1, :-2], (1, 0), (0, 0)),
    )
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for neighbour, first, second in sides:
        for row, col in np.argwhere(inside & ~neighbour).tolist():
            start = row + first[0], col + first[1]
            following.setdefault(start, []).append((row + second[0], col + second[1]))
    return following


def _without_straight(ring: Ring) -> Ring:
    """Return only the corners at which a ring turns."""
    points = np.array(ring)
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return [ring[k] for k in np.flatnonzero(turns)]
