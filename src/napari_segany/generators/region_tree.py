"""Regions of a plane from the finder's maps: a watershed, and the tree of its merged basins.

A watershed of the maps cuts the foreground into many small basins. Neighbours are merged in the
order of the strength of the border between them, weakest first, and every region on the way is a
candidate: one whole object is among them whether the maps split it or join it with others. All
features of a region are sums over its basins, so that candidates cost nothing until they are drawn.
"""

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_segany.models.finder import ObjectMaps

LOW_FOREGROUND = 0.25
"""Foreground probability of pixels that can belong to a region at all."""

FOREGROUND = 0.5
"""Foreground probability at which a region ends."""

SMOOTHING = 1.0
"""Standard deviation in cells of the smoothing of the landscape, so that noise makes no basins."""

PEAK_DISTANCE = 2
"""Least distance of the peaks of two basins, in cells."""

STRONGEST_MERGED = 0.97
"""Strength of borders above which regions are never merged."""

FEWEST_CELLS = 4
"""Cells of a region below which it is no candidate."""


@dataclass(frozen=True)
class RegionTree:
    """Candidate regions of a plane as nodes of a forest.

    Nodes 0 to ``basins`` - 1 are the basins; every later one joins two earlier ones.

    Attributes
    ----------
    labels : ndarray
        (H, W) int32; basin number plus one, 0 outside.
    places : ndarray
        (H, W) int32; place of the basin in the order of ``spans`` plus one, 0 outside.
    spans : ndarray
        (N, 2) int64 first and last place (half-open) of each node's basins: the basins are in an
        order in which those of every node lie side by side.
    children : ndarray
        (N, 2) int64 nodes that each node joins, -1 for basins.
    parent : ndarray
        (N,) int64, -1 for roots.
    joined_at, lost_at : ndarray
        (N,) float64 strength of the border inside a node (0 for basins), and of the one that its
        parent crossed, or of its weakest border where it has no parent (1 if it has none at all).
    basin_count : ndarray
        (N,) float64 basins of each node.
    sums : ndarray
        (N, K) float64 sums over the cells of each node, see :data:`SUMS`.
    peaks : ndarray
        (N, 2) float64 largest interior and centre of each node.
    """

    labels: NDArray[np.int32]
    places: NDArray[np.int32]
    spans: NDArray[np.int64]
    children: NDArray[np.int64]
    parent: NDArray[np.int64]
    joined_at: NDArray[np.float64]
    lost_at: NDArray[np.float64]
    basin_count: NDArray[np.float64]
    sums: NDArray[np.float64]
    peaks: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.children)

    @property
    def basins(self) -> int:
        """Number of basins."""
        return int((self.children[:, 0] < 0).sum())

    @property
    def area(self) -> NDArray[np.float64]:
        """(N,) cells of each node above the foreground threshold."""
        return self.sums[:, SUMS.index("inside")]

    @property
    def mean_size(self) -> NDArray[np.float64]:
        """(N,) mean of the size map in each node."""
        mean: NDArray[np.float64] = self.sums[:, SUMS.index("size")] / np.maximum(self.area, 1)
        return mean


def landscape(maps: ObjectMaps) -> NDArray[np.float32]:
    """Return (H, W) heights that are large inside objects and low at their borders."""
    height = maps.foreground * (0.5 * maps.interior + 0.25 * maps.centre + 0.25)
    height = height * (1 - 0.7 * maps.contour)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(height, SMOOTHING)
    return smooth


def find_basins(maps: ObjectMaps) -> NDArray[np.int32]:
    """Return (H, W) labels of the basins, numbered from 1 without gaps."""
    inside = maps.foreground > LOW_FOREGROUND
    height = landscape(maps)
    size = 2 * PEAK_DISTANCE + 1
    peaks = (height == ndimage.maximum_filter(height, size)) & inside
    markers, _ = ndimage.label(peaks, np.ones((3, 3)))
    basins: NDArray[np.int32] = watershed(-height, markers, mask=inside).astype(np.int32)
    return basins


@dataclass(frozen=True)
class Borders:
    """Borders between E pairs of regions, as sums over pairs of neighbouring cells.

    Attributes
    ----------
    pairs : ndarray
        (E, 2) numbers of regions from 0, the smaller first.
    sums : ndarray
        (E, 4) float64: strength, number of pairs of cells, and contour and number of the pairs
        whose cells are both above the foreground threshold.
    """

    pairs: NDArray[np.int64]
    sums: NDArray[np.float64]


def find_borders(labels: NDArray[np.int32], maps: ObjectMaps) -> Borders:
    """Return which basins touch, and how strong the border between them is."""
    strength = np.maximum(maps.contour, 1 - maps.foreground)
    inside = maps.foreground > FOREGROUND
    count = int(labels.max()) + 1
    keys, values = [], []
    for axis in (0, 1):
        a, b = neighbours(labels, axis)
        touching = (a != b) & (a > 0) & (b > 0)
        first, second = (each[touching].astype(np.int64) for each in (a, b))
        keys.append(np.minimum(first, second) * count + np.maximum(first, second))
        s, t = (each[touching] for each in neighbours(strength, axis))
        i, j = (each[touching] for each in neighbours(maps.interior, axis))
        u, v = (each[touching] for each in neighbours(maps.contour, axis))
        m, n = (each[touching] for each in neighbours(inside, axis))
        both = m & n
        # The contour is two cells wide between objects; the interior is lowest there.
        here = 0.25 * (s + t) + 0.5 * (1 - np.minimum(i, j))
        values.append(np.stack([here, np.ones(len(s)), 0.5 * (u + v) * both, both], axis=1))
    key, value = np.concatenate(keys), np.concatenate(values).astype(np.float64)
    unique, which = np.unique(key, return_inverse=True)
    sums = np.stack([np.bincount(which, column, len(unique)) for column in value.T], axis=1)
    pairs = np.stack([unique // count, unique % count], axis=1) - 1
    return Borders(pairs, sums.astype(np.float64))


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
        (M, 4) float64 sums over the border that each new node crossed, see :class:`Borders`.
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
        np.array(crossed, np.float64).reshape(-1, 4),
        weakest,
    )


SUMS = (
    "cells",
    "inside",
    "foreground",
    "interior",
    "centre",
    "contour",
    "size",
    "size_squared",
    "rows",
    "cols",
    "rows_squared",
    "cols_squared",
    "rows_cols",
    "perimeter",
    "perimeter_contour",
    "at_edge",
)
"""Columns of :attr:`RegionTree.sums`. All but the first and "foreground" are over the cells above
the foreground threshold. The perimeter counts pairs of neighbouring cells; "at_edge" counts cells
at the edge of the plane."""


def grow_tree(maps: ObjectMaps) -> RegionTree:
    """Return the candidate regions of a plane."""
    labels = find_basins(maps)
    count = int(labels.max())
    merges = merge_basins(count, find_borders(labels, maps))
    nodes = count + len(merges.children)
    children = np.full((nodes, 2), -1, np.int64)
    children[count:] = merges.children
    parent = np.full(nodes, -1, np.int64)
    joined_at, basins = np.zeros(nodes), np.ones(nodes)
    sums = np.zeros((nodes, len(SUMS)))
    peaks = np.zeros((nodes, 2))
    sums[:count], peaks[:count] = sum_basins(labels, count, maps)
    perimeter = SUMS.index("perimeter")
    for node, (a, b) in enumerate(merges.children.tolist(), count):
        parent[[a, b]] = node
        total, length, contour, pairs = merges.crossed[node - count]
        joined_at[node] = total / length
        basins[node] = basins[a] + basins[b]
        sums[node] = sums[a] + sums[b]
        sums[node, perimeter : perimeter + 2] -= 2 * pairs, 2 * contour
        peaks[node] = np.maximum(peaks[a], peaks[b])
    lost_at = np.where(parent >= 0, joined_at[parent], merges.weakest)
    spans = place_basins(children, parent, basins)
    place = np.zeros(count + 1, np.int32)
    place[1:] = spans[:count, 0] + 1
    return RegionTree(
        labels, place[labels], spans, children, parent, joined_at, lost_at, basins, sums, peaks
    )


def place_basins(
    children: NDArray[np.int64], parent: NDArray[np.int64], basins: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the (N, 2) half-open places of each node's basins, side by side for every node."""
    sizes = basins.astype(np.int64).tolist()
    starts, free = [0] * len(sizes), 0
    joined, above = children.tolist(), parent.tolist()
    # Nodes come after those that they join.
    for node in reversed(range(len(sizes))):
        if above[node] < 0:
            starts[node] = free
            free += sizes[node]
        one, two = joined[node]
        if one >= 0:
            starts[one] = starts[node]
            starts[two] = starts[node] + sizes[one]
    first = np.array(starts, np.int64)
    return np.stack([first, first + basins.astype(np.int64)], axis=1)


def sum_basins(
    labels: NDArray[np.int32], count: int, maps: ObjectMaps
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums and the peaks of ``count`` regions, numbered from 1 in ``labels``."""
    inside = maps.foreground > FOREGROUND
    where = labels > 0
    number = labels[where].astype(np.int64) - 1
    inner = inside[where].astype(np.float64)
    rows, cols = (each.astype(np.float64) for each in np.nonzero(where))
    size = maps.log2_size[where] * inner
    edge = np.zeros(labels.shape, bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    columns: dict[str, NDArray[np.float64]] = {
        "cells": np.ones(len(number)),
        "inside": inner,
        "foreground": maps.foreground[where].astype(np.float64),
        "interior": maps.interior[where] * inner,
        "centre": maps.centre[where] * inner,
        "contour": maps.contour[where] * inner,
        "size": size,
        "size_squared": size**2,
        "rows": rows * inner,
        "cols": cols * inner,
        "rows_squared": rows**2 * inner,
        "cols_squared": cols**2 * inner,
        "rows_cols": rows * cols * inner,
        "at_edge": edge[where] * inner,
    }
    region = np.where(inside, labels, 0)
    length, contour = _perimeters(region, count, maps.contour)
    sums = np.stack(
        [
            length
            if name == "perimeter"
            else contour
            if name == "perimeter_contour"
            else np.bincount(number, columns[name], count)
            for name in SUMS
        ],
        axis=1,
    ).astype(np.float64)
    peaks = np.zeros((count, 2))
    for column, each in enumerate((maps.interior, maps.centre)):
        np.maximum.at(peaks[:, column], number, each[where].astype(np.float64))
    return sums, peaks


def _perimeters(
    region: NDArray[np.int32], count: int, contour: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the number of neighbouring cells outside of each region, and the contour there."""
    length, strength = np.zeros(count + 1), np.zeros(count + 1)
    for axis in (0, 1):
        a, b = neighbours(region, axis)
        differs = a != b
        u, v = neighbours(contour, axis)
        between = (0.5 * (u + v))[differs]
        for side in (a, b):
            chosen = side[differs]
            length += np.bincount(chosen, minlength=count + 1)
            strength += np.bincount(chosen, between, count + 1)
    return length[1:], strength[1:]
