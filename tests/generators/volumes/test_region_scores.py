"""Sums of merged regions are those of their cells, and scores are means over sections."""

import numpy as np
from tests.generators.maps import random_maps, random_quality

from napari_segany.generators.region_features import PlaneContext, shape_features
from napari_segany.generators.region_tree import FEWEST_CELLS, SUMS, find_peaks, sum_basins
from napari_segany.generators.volumes.basin_graph import build_graph
from napari_segany.generators.volumes.basins import VolumeBasins
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.generators.volumes.region_choice import basins_of
from napari_segany.generators.volumes.region_scores import score_regions
from napari_segany.generators.volumes.smoothed_maps import SmoothedMaps

SHAPE, OUTLINE = (26, 22), 0.4
MAPS = [PlaneMaps.pack(SHAPE, 1, 3.0, random_maps(SHAPE, seed, 64)) for seed in range(6)]
PLANES = list(VolumeBasins(SmoothedMaps(MAPS.__getitem__, len(MAPS), 0.8)).planes())
GRAPH = build_graph(PLANES, OUTLINE)
ESTIMATE = random_quality().region
REGIONS = score_regions(GRAPH, ESTIMATE, OUTLINE, 3.0)
MORE = 4
"""Features of a region beside those of its shape."""


def section(node: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums and peaks of a region in a plane, counted from its cells."""
    members = np.concatenate([[0], basins_of(REGIONS, np.array([node]), GRAPH.count)])
    labels = members[PLANES[number].labels].astype(np.int32)
    maps = PLANES[number].maps
    return sum_basins(labels, 1, maps, OUTLINE)[0], find_peaks(labels, 1, maps)[0]


def test_scores_are_means_over_sections_by_cells():
    merged = np.flatnonzero(REGIONS.children[:, 0] >= 0)
    assert len(merged) > 20
    parent = np.full(len(REGIONS.children), -1)
    parent[REGIONS.children[merged].ravel()] = np.repeat(merged, 2)
    inside = SUMS.index("inside")
    for node in [*range(5), *merged[:: max(len(merged) // 12, 1)].tolist()]:
        sums, peaks = (np.stack(x) for x in zip(*(section(node, n) for n in range(6)), strict=True))
        assert REGIONS.volume[node] == sums[:, inside].sum()
        seen = np.flatnonzero(sums[:, inside])
        assert (REGIONS.first[node], REGIONS.last[node]) == (seen[0], seen[-1])
        assert REGIONS.planes[node] == len(seen)
        total = cells = 0.0
        for number in np.flatnonzero(sums[:, inside] >= FEWEST_CELLS):
            context = PlaneContext.of(PLANES[number].maps)
            shape = shape_features(sums[[number]], peaks[[number]], context)[0]
            for name in (0, 2, 17):
                shape[name] += np.log2(1.5)
            features = np.concatenate([shape, _more(node, parent)]).astype(np.float32)
            total += sums[number, inside] * float(ESTIMATE(features[None])[0])
            cells += sums[number, inside]
        assert np.isclose(REGIONS.score[node], total / max(cells, 1), rtol=1e-4)


def _more(node: int, parent: np.ndarray) -> list[float]:
    """Features of a region that come from the tree."""
    basins = int((basins_of(REGIONS, np.array([node]), GRAPH.count) > 0).sum())
    strength = _strengths()
    joined = strength[node] if node >= GRAPH.count else 0.0
    return [joined, _lost(node, parent, strength), np.log2(basins ** (2 / 3)), OUTLINE]


def _strengths() -> dict[int, float]:
    """Mean strength of the border that each merged region crossed, from the borders of basins."""
    found = {}
    for node in range(GRAPH.count, len(REGIONS.children)):
        sides = basins_of(REGIONS, REGIONS.children[node], GRAPH.count)
        ends = sides[GRAPH.borders.pairs]
        between = (ends.min(axis=1) == 1) & (ends.max(axis=1) == 2)
        total, length = GRAPH.borders.sums[between].sum(axis=0)
        found[node] = total / length
    return found


def _lost(node: int, parent: np.ndarray, strength: dict[int, float]) -> float:
    if parent[node] >= 0:
        return strength[int(parent[node])]
    roots = np.flatnonzero(parent < 0)
    of_basin = basins_of(REGIONS, roots, GRAPH.count)
    mine = int(np.flatnonzero(roots == node)[0]) + 1
    ends = of_basin[GRAPH.borders.pairs]
    weakest = 1.0
    for other in np.unique(ends[(ends == mine).any(axis=1)]).tolist():
        if other != mine:
            rows = (np.sort(ends, axis=1) == sorted((mine, other))).all(axis=1)
            total, length = GRAPH.borders.sums[rows].sum(axis=0)
            weakest = min(weakest, total / length)
    return weakest


def test_borders_between_planes_count_as_those_within():
    pairs = {tuple(pair): sums for pair, sums in zip(*_borders(), strict=True)}
    labels = np.stack([plane.labels for plane in PLANES]) - 1
    lengths: dict[tuple[int, int], int] = {}
    for axis in range(3):
        one = np.delete(labels, -1, axis).ravel()
        two = np.delete(labels, 0, axis).ravel()
        touching = (one != two) & (one >= 0) & (two >= 0)
        for a, b in zip(one[touching].tolist(), two[touching].tolist(), strict=True):
            key = (min(a, b), max(a, b))
            lengths[key] = lengths.get(key, 0) + 1
    assert {pair: sums[1] for pair, sums in pairs.items()} == lengths
    assert all(0 <= sums[0] / sums[1] <= 1 for sums in pairs.values())


def _borders() -> tuple[list[list[int]], list[list[float]]]:
    return GRAPH.borders.pairs.tolist(), GRAPH.borders.sums.tolist()
