"""Borders between regions, and the order in which regions are merged: weakest border first."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.models.finder import ObjectMaps

OUTLINES = (0.4, 0.6)
"""Foreground probabilities at which a region may end. Labels of some kinds are drawn wide and of
others tight, and borders of small objects are blurred, so no single one is best."""

STRONGEST_MERGED = 0.97
"""Strength of borders above which regions are never merged."""


@dataclass(frozen=True)
class Borders:
    """Borders between E pairs of regions, as sums over pairs of neighbouring cells.

    Attributes
    ----------
    pairs : ndarray
        (E, 2) numbers of regions from 0, the smaller first.
    sums : ndarray
        (E, 2 + 2 * L) float64: strength, number of pairs of cells, and for each of L outlines the
        contour and the number of the pairs whose cells are both within it.
    """

    pairs: NDArray[np.int64]
    sums: NDArray[np.float64]


def find_borders(
    labels: NDArray[np.int32], maps: ObjectMaps, outlines: Sequence[float] = OUTLINES
) -> Borders:
    """Return which basins touch, and how strong the border between them is."""
    strength = outer_strength(maps)
    count = int(labels.max()) + 1
    keys: list[NDArray[np.int64]] = []
    values: list[NDArray[np.floating]] = []
    for axis in (0, 1):
        a, b = neighbours(labels, axis)
        touching = (a != b) & (a > 0) & (b > 0)
        first, second = (each[touching].astype(np.int64) for each in (a, b))
        keys.append(np.minimum(first, second) * count + np.maximum(first, second))
        s, t = (each[touching] for each in neighbours(strength, axis))
        i, j = (each[touching] for each in neighbours(maps.interior, axis))
        u, v = (each[touching] for each in neighbours(maps.contour, axis))
        lower = np.minimum(*(each[touching] for each in neighbours(maps.foreground, axis)))
        columns: list[NDArray[Any]] = [border_strength(s, t, i, j), np.ones(len(s))]
        for outline in outlines:
            both = lower > outline
            columns += [0.5 * (u + v) * both, both]
        values.append(np.stack(columns, axis=1))
    pairs, sums = sum_groups(np.concatenate(keys), np.concatenate(values).astype(np.float64))
    return Borders(np.stack([pairs // count, pairs % count], axis=1) - 1, sums)


def outer_strength(maps: ObjectMaps) -> NDArray[np.float32]:
    """Return (H, W) how much each cell lies at a border or outside, 0..1."""
    strength: NDArray[np.float32] = np.maximum(maps.contour, 1 - maps.foreground)
    return strength


def border_strength(
    one: NDArray[np.float32],
    two: NDArray[np.float32],
    interior_one: NDArray[np.float32],
    interior_two: NDArray[np.float32],
) -> NDArray[np.floating]:
    """Return the strength of the border between neighbouring cells, by what is known of both.

    Parameters
    ----------
    one, two : ndarray
        (K,) strength at the cells, see :func:`outer_strength`.
    interior_one, interior_two : ndarray
        (K,) interior at the cells.
    """
    # The contour is two cells wide between objects; the interior is lowest there.
    return 0.25 * (one + two) + 0.5 * (1 - np.minimum(interior_one, interior_two))


def sum_groups(
    keys: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the distinct keys in ascending order, and the sums of the (K, C) rows of each."""
    unique, which = np.unique(keys, return_inverse=True)
    columns = [np.bincount(which, column, len(unique)) for column in values.T]
    return unique, np.stack(columns, axis=1).astype(np.float64)


def neighbours(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return an array without its last and without its first row or column: pairs of neighbours."""
    if axis == 0:
        return array[:-1], array[1:]
    return array[:, :-1], array[:, 1:]


@dataclass(frozen=True)
class Merges:
    """Order in which basins were merged.

    Attributes
    ----------
    children : ndarray
        (M, 2) int64 nodes that each new node joins.
    crossed : ndarray
        (M, 2 + 2 * L) float64 sums over the border that each new node crossed: :class:`Borders`.
    weakest : ndarray
        (N,) for every node, the strength of the weakest border it has as a root; 1 without any.
    """

    children: NDArray[np.int64]
    crossed: NDArray[np.float64]
    weakest: NDArray[np.float64]


def merge_basins(count: int, borders: Borders) -> Merges:
    """Merge neighbouring regions among ``count`` basins, those with the weakest border first."""
    known: list[dict[int, list[float]]] = [{} for _ in range(count)]
    heap: list[tuple[float, int, int, float]] = []
    for (a, b), sums in zip(borders.pairs.tolist(), borders.sums.tolist(), strict=True):
        known[a][b] = known[b][a] = sums
        heapq.heappush(heap, (sums[0] / sums[1], a, b, sums[1]))
    alive = [True] * count
    children: list[tuple[int, int]] = []
    crossed: list[list[float]] = []
    while heap:
        strength, a, b, length = heapq.heappop(heap)
        if not (alive[a] and alive[b]) or known[a][b][1] != length:
            continue
        if strength > STRONGEST_MERGED:
            break
        node = len(alive)
        alive[a] = alive[b] = False
        alive.append(True)
        children.append((a, b))
        crossed.append(known[a][b])
        joined: dict[int, list[float]] = {}
        for old in (a, b):
            for other, sums in known[old].items():
                if other not in (a, b) and alive[other]:
                    before = joined.get(other, (0.0,) * len(sums))
                    joined[other] = [x + y for x, y in zip(before, sums, strict=True)]
        known.append(joined)
        for other, sums in joined.items():
            known[other][node] = sums
            heapq.heappush(heap, (sums[0] / sums[1], other, node, sums[1]))
    weakest = np.ones(len(alive))
    for node in np.flatnonzero(alive).tolist():
        left = [sums[0] / sums[1] for other, sums in known[node].items() if alive[other]]
        weakest[node] = min(left, default=1.0)
    return Merges(
        np.array(children, np.int64).reshape(-1, 2),
        np.array(crossed, np.float64).reshape(-1, borders.sums.shape[1]),
        weakest,
    )
