"""Choice of the objects among nested regions of a volume."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.generators.volumes.region_scores import ScoredRegions

LEAST_SCORE = 0.2
"""Expected IoU that a region must exceed to be an object. Estimates of single planes are low for
sections near an object's ends, so it is below that of planes."""

FEWEST_VOXELS = 32
"""Cells of a region below which it is no object."""


def choose_regions(regions: ScoredRegions) -> NDArray[np.int64]:
    """Return the disjoint regions with the greatest sum of gains, in ascending order.

    A region gains its diameter times the expected IoU beyond the least one. The diameter grows
    slowly with the volume, so that two whole objects gain more than what joins them, and one whole
    object gains more than its better half.
    """
    gain = np.cbrt(regions.volume) * (regions.score - LEAST_SCORE)
    gain[regions.volume < FEWEST_VOXELS] = 0
    best, taken = np.maximum(gain, 0), gain > 0
    joins = regions.children[:, 0] >= 0
    # Nodes come after those that they join.
    for node in np.flatnonzero(joins).tolist():
        parts = best[regions.children[node]].sum()
        if taken[node] and gain[node] >= parts:
            best[node] = gain[node]
        else:
            taken[node], best[node] = False, parts
    covered = np.zeros(len(gain), bool)
    chosen = []
    for node in reversed(range(len(gain))):
        if taken[node] and not covered[node]:
            chosen.append(node)
        if joins[node] and (taken[node] or covered[node]):
            covered[regions.children[node]] = True
    return np.array(chosen[::-1], np.int64)


def basins_of(regions: ScoredRegions, chosen: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the (count,) number of the chosen region that each basin is part of, from 1; else 0.

    Parameters
    ----------
    regions : ScoredRegions
        All regions.
    chosen : ndarray
        (K,) disjoint nodes; the first has number 1.
    count : int
        Number of basins.
    """
    numbers = np.zeros(len(regions.children), np.int64)
    numbers[chosen] = np.arange(1, len(chosen) + 1)
    for node in reversed(range(count, len(numbers))):
        if numbers[node]:
            numbers[regions.children[node]] = numbers[node]
    return numbers[:count]
