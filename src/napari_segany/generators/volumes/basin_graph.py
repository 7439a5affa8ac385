"""Basins of a volume as a graph: what is known of each in each plane, and where they touch."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.generators.region_features import PlaneContext
from napari_segany.generators.region_merging import (
    Borders,
    border_strength,
    find_borders,
    outer_strength,
    sum_groups,
)
from napari_segany.generators.region_tree import find_peaks, sum_basins
from napari_segany.generators.volumes.basins import BasinPlane

MOST_BASINS = 2**31
"""Basins of a volume that pairs of numbers can tell apart."""


@dataclass(frozen=True, eq=False)
class BasinGraph:
    """Basins, numbered from 0.

    Attributes
    ----------
    count : int
        Number of basins.
    borders : Borders
        Pairs of basins that touch, within planes and from plane to plane: strength and cells.
    basin, plane : ndarray
        (R,) int64 basin and plane of each section, in ascending order.
    sums : ndarray
        (R, K) float64 sums over the cells of each section, see :data:`.region_tree.SUMS`.
    peaks : ndarray
        (R, 2) float64 largest interior and centre of each section.
    touching : ndarray
        (T, 3) int64 two basins that touch in a plane, and the plane.
    crossed : ndarray
        (T, 2) float64 contour between both within the outline, and number of pairs of cells.
    contexts : dict
        Measures of each plane.
    """

    count: int
    borders: Borders
    basin: NDArray[np.int64]
    plane: NDArray[np.int64]
    sums: NDArray[np.float64]
    peaks: NDArray[np.float64]
    touching: NDArray[np.int64]
    crossed: NDArray[np.float64]
    contexts: dict[int, PlaneContext]


def build_graph(planes: Iterable[BasinPlane], outline: float) -> BasinGraph:
    """Return the graph of the basins of planes.

    Parameters
    ----------
    planes : iterable of BasinPlane
        In order; two are in memory.
    outline : float
        Foreground probability at which objects end.
    """
    parts = _Parts()
    before: BasinPlane | None = None
    for plane in planes:
        parts.add_plane(plane, outline)
        if before is not None and before.number + 1 == plane.number:
            parts.add_between(before, plane)
        before = plane
    return parts.graph()


class _Parts:
    """Rows of a graph, gathered plane by plane."""

    def __init__(self) -> None:
        self.count = 0
        self.keys, self.strengths = [np.zeros(0, np.int64)], [np.zeros((0, 2))]
        self.sections = [np.zeros((0, 2), np.int64)]
        self.sums: list[NDArray[np.float64]] = []
        self.peaks: list[NDArray[np.float64]] = [np.zeros((0, 2))]
        self.touching, self.crossed = [np.zeros((0, 3), np.int64)], [np.zeros((0, 2))]
        self.contexts: dict[int, PlaneContext] = {}

    def add_plane(self, plane: BasinPlane, outline: float) -> None:
        """Add the sections of a plane, and the borders between them."""
        found = np.unique(plane.labels)
        found = found[found > 0]
        self.contexts[plane.number] = PlaneContext.of(plane.maps)
        if not len(found):
            return
        self.count = max(self.count, int(found[-1]))
        labels = np.searchsorted(found, plane.labels).astype(np.int32) + 1
        labels[plane.labels == 0] = 0
        numbers, total = found.astype(np.int64) - 1, len(found)
        where = np.full(total, plane.number)
        self.sections.append(np.stack([numbers, where], axis=1))
        self.sums.append(sum_basins(labels, total, plane.maps, outline))
        self.peaks.append(find_peaks(labels, total, plane.maps))
        borders = find_borders(labels, plane.maps, (outline,))
        pairs = numbers[borders.pairs]
        self.keys.append(pairs[:, 0] * MOST_BASINS + pairs[:, 1])
        self.strengths.append(borders.sums[:, :2])
        within = np.full(len(pairs), plane.number)
        self.touching.append(np.stack([pairs[:, 0], pairs[:, 1], within], axis=1))
        self.crossed.append(borders.sums[:, 2:])

    def add_between(self, one: BasinPlane, two: BasinPlane) -> None:
        """Add the borders between the basins of two neighbouring planes."""
        touching = (one.labels != two.labels) & (one.labels > 0) & (two.labels > 0)
        a, b = (each.labels[touching].astype(np.int64) - 1 for each in (one, two))
        strength = border_strength(
            outer_strength(one.maps)[touching],
            outer_strength(two.maps)[touching],
            one.maps.interior[touching],
            two.maps.interior[touching],
        )
        keys, sums = sum_groups(
            np.minimum(a, b) * MOST_BASINS + np.maximum(a, b),
            np.stack([strength, np.ones(len(strength))], axis=1).astype(np.float64),
        )
        self.keys.append(keys)
        self.strengths.append(sums)

    def graph(self) -> BasinGraph:
        """Return the graph of all planes so far."""
        keys, sums = sum_groups(np.concatenate(self.keys), np.concatenate(self.strengths))
        pairs = np.stack([keys // MOST_BASINS, keys % MOST_BASINS], axis=1)
        sections = np.concatenate(self.sections)
        order = np.lexsort((sections[:, 1], sections[:, 0]))
        return BasinGraph(
            self.count,
            Borders(pairs, sums),
            sections[order, 0],
            sections[order, 1],
            np.concatenate(self.sums)[order] if self.sums else np.zeros((0, 1)),
            np.concatenate(self.peaks)[order],
            np.concatenate(self.touching),
            np.concatenate(self.crossed),
            self.contexts,
        )
