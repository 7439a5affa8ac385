"""Regions of a volume as nodes of a tree, and the expected IoU of each by its sections.

Neighbouring basins are merged, those with the weakest border first, as in one plane. The finder's
estimate was fitted on planes, so a region is as good as its sections are on average.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.generators.quality import Perceptron
from napari_segany.generators.region_features import (
    SHAPE_FEATURES,
    PlaneContext,
    shape_features,
)
from napari_segany.generators.region_merging import merge_basins
from napari_segany.generators.region_tree import FEWEST_CELLS, SUMS
from napari_segany.generators.volumes.basin_graph import BasinGraph
from napari_segany.models.finder import CELL

AT_ONCE = 2**15
"""Sections whose features are computed together; bounds memory."""

SIDES = tuple(SHAPE_FEATURES.index(n) for n in ("log2_side", "size_difference", "side_in_plane"))
"""Features that depend on the size of a cell."""

PERIMETER, INSIDE = SUMS.index("perimeter"), SUMS.index("inside")


@dataclass(frozen=True, eq=False)
class ScoredRegions:
    """Regions of a volume: N nodes of a forest, of which the first are its basins.

    Attributes
    ----------
    children : ndarray
        (N, 2) int64 nodes that each node joins, -1 for basins.
    first, last : ndarray
        (N,) int64 first and last plane in which a region has cells.
    planes : ndarray
        (N,) int64 planes in which it has some.
    volume : ndarray
        (N,) float64 cells within the outline.
    score : ndarray
        (N,) float64 expected IoU, the mean over the sections by their cells.
    """

    children: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    planes: NDArray[np.int64]
    volume: NDArray[np.float64]
    score: NDArray[np.float64]


def score_regions(
    graph: BasinGraph, quality: Perceptron, outline: float, side: float
) -> ScoredRegions:
    """Merge the basins of a volume, and estimate the IoU of every region on the way.

    Parameters
    ----------
    graph : BasinGraph
        The basins.
    quality : Perceptron
        The finder's estimate for regions of a plane.
    outline : float
        Foreground probability at which regions end, as for the graph.
    side : float
        Side of a cell in pixels of the model's frame.
    """
    merges = merge_basins(graph.count, graph.borders)
    nodes = graph.count + len(merges.children)
    children = np.full((nodes, 2), -1, np.int64)
    children[graph.count :] = merges.children
    joined_at, lost_at, basins = np.zeros(nodes), merges.weakest.copy(), np.ones(nodes)
    crossed = merges.crossed
    joined_at[graph.count :] = crossed[:, 0] / crossed[:, 1]
    for node, (a, b) in enumerate(merges.children.tolist(), graph.count):
        lost_at[[a, b]] = joined_at[node]
        basins[node] = basins[a] + basins[b]
    # A section meets about so many of the basins; the estimate knows numbers of planes.
    in_plane = np.log2(np.maximum(basins ** (2 / 3), 1))
    more = np.stack([joined_at, lost_at, in_plane, np.full(nodes, outline)], axis=1)
    scorer = _Scorer(graph.contexts, quality, more.astype(np.float32), side)
    first, last = np.full(nodes, -1), np.full(nodes, -1)
    planes, volume = np.zeros(nodes, np.int64), np.zeros(nodes)
    for node, region in enumerate(_sections(graph, merges.children)):
        inside = region.sums[:, INSIDE]
        seen = np.flatnonzero(inside)
        if len(seen):
            first[node], last[node] = region.start + seen[0], region.start + seen[-1]
        planes[node], volume[node] = len(seen), inside.sum()
        scorer.add(node, region)
    return ScoredRegions(children, first, last, planes, volume, scorer.scores())


@dataclass(frozen=True, eq=False)
class _Region:
    """Sections of a region in the planes from ``start`` on."""

    start: int
    sums: NDArray[np.float64]
    peaks: NDArray[np.float64]

    def joined(self, other: "_Region") -> "_Region":
        """Return the sections of both together; borders between them are still counted."""
        start = min(self.start, other.start)
        end = max(self.start + len(self.sums), other.start + len(other.sums))
        sums, peaks = np.zeros((end - start, self.sums.shape[1])), np.zeros((end - start, 2))
        for each in (self, other):
            where = slice(each.start - start, each.start - start + len(each.sums))
            sums[where] += each.sums
            peaks[where] = np.maximum(peaks[where], each.peaks)
        return _Region(start, sums, peaks)


def _sections(graph: BasinGraph, merged: NDArray[np.int64]) -> Iterator[_Region]:
    """Yield the sections of the basins, then of the regions that they were merged into."""
    alive: dict[int, _Region] = {}
    starts = np.searchsorted(graph.basin, np.arange(graph.count + 1)).tolist()
    for basin in range(graph.count):
        rows = slice(starts[basin], starts[basin + 1])
        planes = graph.plane[rows]
        start, end = int(planes[0]), int(planes[-1]) + 1
        region = _Region(start, np.zeros((end - start, len(SUMS))), np.zeros((end - start, 2)))
        region.sums[planes - start], region.peaks[planes - start] = (
            graph.sums[rows],
            graph.peaks[rows],
        )
        alive[basin] = region
        yield region
    contacts = _Contacts(graph)
    for node, (a, b) in enumerate(merged.tolist(), graph.count):
        region = alive.pop(a).joined(alive.pop(b))
        inside = contacts.merge(a, b, node)
        at = graph.touching[inside, 2] - region.start
        # The contour and the pairs of a border that is inside now were counted from both sides.
        np.subtract.at(region.sums[:, PERIMETER], at, 2 * graph.crossed[inside, 1])
        np.subtract.at(region.sums[:, PERIMETER + 1], at, 2 * graph.crossed[inside, 0])
        alive[node] = region
        yield region


class _Contacts:
    """Borders within planes by the regions on both sides, while regions are merged."""

    def __init__(self, graph: BasinGraph) -> None:
        self._ends: list[list[int]] = graph.touching[:, :2].tolist()
        self._above: dict[int, int] = {}
        self._rows: dict[int, list[int]] = {}
        for row, ends in enumerate(self._ends):
            for end in ends:
                self._rows.setdefault(end, []).append(row)

    def merge(self, a: int, b: int, node: int) -> list[int]:
        """Make one region of two; return the rows of the borders between them."""
        few, many = sorted((self._rows.pop(a, []), self._rows.pop(b, [])), key=len)
        between = []
        for row in few:
            if {self._region(end) for end in self._ends[row]} == {a, b}:
                # It stays among those of the other region, where it is inside from now on.
                between.append(row)
            else:
                many.append(row)
        self._rows[node] = many
        self._above[a] = self._above[b] = node
        return between

    def _region(self, basin: int) -> int:
        """Return the region that a basin belongs to now."""
        region = basin
        while region in self._above:
            region = self._above[region]
        while basin != region:
            # The next search is short.
            self._above[basin], basin = region, self._above[basin]
        return region


class _Scorer:
    """Mean expected IoU of regions over their sections."""

    def __init__(
        self,
        contexts: dict[int, PlaneContext],
        quality: Perceptron,
        more: NDArray[np.float32],
        side: float,
    ) -> None:
        self._contexts, self._quality, self._more = contexts, quality, more
        self._larger = np.float32(np.log2(side / CELL))
        self._rows: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]] = []
        self._waiting = 0
        self._total, self._cells = np.zeros(len(more)), np.zeros(len(more))

    def add(self, node: int, region: _Region) -> None:
        """Add a region; its sections of a few cells have no score."""
        able = np.flatnonzero(region.sums[:, INSIDE] >= FEWEST_CELLS)
        where = np.stack([np.full(len(able), node), region.start + able], axis=1)
        self._rows.append((where, region.sums[able], region.peaks[able]))
        self._waiting += len(able)
        if self._waiting >= AT_ONCE:
            self._compute()

    def scores(self) -> NDArray[np.float64]:
        """Return the score of every region, 0 for one without a section that has a score."""
        self._compute()
        mean: NDArray[np.float64] = self._total / np.maximum(self._cells, 1)
        return mean

    def _compute(self) -> None:
        if not self._waiting:
            return
        where, sums, peaks = (np.concatenate(each) for each in zip(*self._rows, strict=True))
        self._rows, self._waiting = [], 0
        for plane in np.unique(where[:, 1]).tolist():
            rows = np.flatnonzero(where[:, 1] == plane)
            nodes = where[rows, 0]
            features = shape_features(sums[rows], peaks[rows], self._contexts[plane])
            features[:, list(SIDES)] += self._larger
            expected = self._quality(np.concatenate([features, self._more[nodes]], axis=1))
            cells = sums[rows, INSIDE]
            self._total[nodes] += cells * expected
            self._cells[nodes] += cells
