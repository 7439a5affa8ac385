"""The objects among nested regions have the greatest sum of gains."""

from itertools import combinations

import numpy as np
import pytest

from napari_segany.generators.volumes.region_choice import (
    FEWEST_VOXELS,
    LEAST_SCORE,
    basins_of,
    choose_regions,
)
from napari_segany.generators.volumes.region_scores import ScoredRegions

BASINS = 5


def random_regions(seed: int) -> ScoredRegions:
    rng = np.random.default_rng(seed)
    alive, children = list(range(BASINS)), [[-1, -1]] * BASINS
    volume = (rng.integers(10, 400, BASINS)).astype(float).tolist()
    for node in range(BASINS, BASINS + int(rng.integers(1, BASINS))):
        one, two = (alive.pop(int(rng.integers(len(alive)))) for _ in range(2))
        children.append([one, two])
        volume.append(volume[one] + volume[two])
        alive.append(node)
    count = len(children)
    none = np.zeros(count, np.int64)
    score = rng.uniform(0, 1, count)
    return ScoredRegions(np.array(children), none, none, none, np.array(volume), score)


def members(regions: ScoredRegions, node: int) -> set[int]:
    one, two = regions.children[node].tolist()
    return {node} if one < 0 else members(regions, one) | members(regions, two)


@pytest.mark.parametrize("seed", range(25))
def test_no_other_disjoint_regions_gain_more(seed: int):
    regions = random_regions(seed)
    gain = np.cbrt(regions.volume) * (regions.score - LEAST_SCORE)
    gain[regions.volume < FEWEST_VOXELS] = 0
    sets = [members(regions, node) for node in range(len(gain))]
    best = 0.0
    for size in range(1, BASINS + 1):
        for some in combinations(range(len(gain)), size):
            if sum(len(sets[node]) for node in some) == len(set().union(*(sets[n] for n in some))):
                best = max(best, float(gain[list(some)].sum()))
    chosen = choose_regions(regions)
    assert np.isclose(gain[chosen].sum(), best)
    assert (gain[chosen] > 0).all()
    numbers = basins_of(regions, chosen, BASINS)
    for basin in range(BASINS):
        of = [k for k, node in enumerate(chosen.tolist(), 1) if basin in sets[node]]
        assert numbers[basin] == (of[0] if of else 0)
