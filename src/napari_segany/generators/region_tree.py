"""Regions of a plane from the finder's maps: a watershed, and the tree of its merged basins.

A watershed of the maps cuts the foreground into many small basins. Neighbours are merged in the
order of the strength of the border between them, weakest first, and every region on the way is a
candidate: one whole object is among them whether the maps split it or join it with others. All
features of a region are sums over its basins, so that candidates cost nothing until they are drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_segany.generators.region_merging import (
    OUTLINES,
    Merges,
    find_borders,
    merge_basins,
    neighbours,
)
from napari_segany.models.finder import ObjectMaps

LOW_FOREGROUND = 0.25
"""Foreground probability of pixels that can belong to a region at all."""

FOREGROUND = 0.5
"""Foreground probability from which a cell is more likely in an object than not."""

SMOOTHING = 1.0
"""Standard deviation in cells of the smoothing of the landscape, so that noise makes no basins."""

PEAK_DISTANCE = 2
"""Least distance of the peaks of two basins, in cells."""

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
    outline : ndarray
        (N,) float64 foreground probability at which each node ends.
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
    outline: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.children)

    @property
    def basins(self) -> int:
        """Number of basins."""
        return int((self.children[:, 0] < 0).sum())

    @property
    def area(self) -> NDArray[np.float64]:
        """(N,) cells of each node within its outline."""
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
"""Columns of :attr:`RegionTree.sums`. All but the first and "foreground" are over the cells within
the outline. The perimeter counts pairs of neighbouring cells; "at_edge" counts cells
at the edge of the plane."""


def grow_trees(maps: ObjectMaps, outlines: Sequence[float] = OUTLINES) -> list[RegionTree]:
    """Return the candidate regions of a plane, once for each outline; only sums differ.

    Parameters
    ----------
    maps : ObjectMaps
        Of the plane.
    outlines : sequence of float
        Foreground probabilities at which regions end, in ascending order.
    """
    labels = find_basins(maps)
    count = int(labels.max())
    merges = merge_basins(count, find_borders(labels, maps, outlines))
    nodes = count + len(merges.children)
    children = np.full((nodes, 2), -1, np.int64)
    children[count:] = merges.children
    parent = np.full(nodes, -1, np.int64)
    joined_at, basins = np.zeros(nodes), np.ones(nodes)
    peaks = np.zeros((nodes, 2))
    peaks[:count] = find_peaks(labels, count, maps)
    for node, (a, b) in enumerate(merges.children.tolist(), count):
        parent[[a, b]] = node
        total, length = merges.crossed[node - count, :2]
        joined_at[node] = total / length
        basins[node] = basins[a] + basins[b]
        peaks[node] = np.maximum(peaks[a], peaks[b])
    lost_at = np.where(parent >= 0, joined_at[parent], merges.weakest)
    spans = place_basins(children, parent, basins)
    place = np.zeros(count + 1, np.int32)
    place[1:] = spans[:count, 0] + 1
    trees = []
    for number, outline in enumerate(outlines):
        sums = np.zeros((nodes, len(SUMS)))
        sums[:count] = sum_basins(labels, count, maps, outline)
        _add_merged(sums, merges, count, number)
        ends = np.full(nodes, outline)
        trees.append(
            RegionTree(
                *(labels, place[labels], spans, children, parent),
                *(joined_at, lost_at, basins, sums, peaks, ends),
            )
        )
    return trees


def _add_merged(sums: NDArray[np.float64], merges: Merges, basins: int, number: int) -> None:
    """Fill in the sums of the nodes above the basins, for outline ``number``."""
    perimeter = SUMS.index("perimeter")
    crossed = merges.crossed[:, 2 + 2 * number : 4 + 2 * number]
    for node, (a, b) in enumerate(merges.children.tolist(), basins):
        contour, pairs = crossed[node - basins]
        sums[node] = sums[a] + sums[b]
        sums[node, perimeter : perimeter + 2] -= 2 * pairs, 2 * contour


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
    labels: NDArray[np.int32], count: int, maps: ObjectMaps, outline: float
) -> NDArray[np.float64]:
    """Return the sums of ``count`` regions, numbered from 1 in ``labels``."""
    inside = maps.foreground > outline
    where = labels > 0
    number = labels[where].astype(np.int64) - 1
    inner = inside[where].astype(np.float64)
    rows, cols = (each.astype(np.float64) for each in np.nonzero(where))
    size = maps.log2_size[where] * inner
    edge = np.zeros(labels.shape, bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    region = np.where(inside, labels, 0)
    length, contour = _perimeters(region, count, maps.contour)
    # One column at a time: each is as large as a map.
    columns: dict[str, Callable[[], NDArray[np.float64]]] = {
        "cells": lambda: np.ones(len(number)),
        "inside": lambda: inner,
        "foreground": lambda: maps.foreground[where].astype(np.float64),
        "interior": lambda: maps.interior[where] * inner,
        "centre": lambda: maps.centre[where] * inner,
        "contour": lambda: maps.contour[where] * inner,
        "size": lambda: size,
        "size_squared": lambda: size**2,
        "rows": lambda: rows * inner,
        "cols": lambda: cols * inner,
        "rows_squared": lambda: rows**2 * inner,
        "cols_squared": lambda: cols**2 * inner,
        "rows_cols": lambda: rows * cols * inner,
        "at_edge": lambda: edge[where] * inner,
    }
    known = {"perimeter": length, "perimeter_contour": contour}
    return np.stack(
        [
            known[name] if name in known else np.bincount(number, columns[name](), count)
            for name in SUMS
        ],
        axis=1,
    ).astype(np.float64)


def find_peaks(labels: NDArray[np.int32], count: int, maps: ObjectMaps) -> NDArray[np.float64]:
    """Return the (count, 2) largest interior and centre of regions, numbered from 1."""
    where = labels > 0
    number = labels[where].astype(np.int64) - 1
    peaks = np.zeros((count, 2))
    for column, each in enumerate((maps.interior, maps.centre)):
        np.maximum.at(peaks[:, column], number, each[where].astype(np.float64))
    return peaks


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
