"""A volume is cut into basins, some planes at a time."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.generators.maps import random_maps
from tests.generators.volumes.balls import draw_balls, maps_of

from napari_segany.generators.region_tree import LOW_FOREGROUND
from napari_segany.generators.volumes import basins
from napari_segany.generators.volumes.basins import VolumeBasins
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.generators.volumes.smoothed_maps import SmoothedMaps

SHAPE = (24, 20)


def noise(count: int) -> list[PlaneMaps]:
    return [PlaneMaps.pack(SHAPE, 1, 2.0, random_maps(SHAPE, n, 64)) for n in range(count)]


def cut(
    planes: list[PlaneMaps], sigma: float = 1.5, lowest: float = LOW_FOREGROUND
) -> NDArray[np.int32]:
    smoothed = SmoothedMaps(planes.__getitem__, len(planes), sigma)
    found = list(VolumeBasins(smoothed, lowest).planes())
    assert [plane.number for plane in found] == list(range(len(planes)))
    for plane in found:
        inside = plane.maps.foreground > lowest
        # A maximum on a plateau that touches nothing still has a basin.
        assert np.array_equal(plane.labels > 0, inside)
    return np.stack([plane.labels for plane in found])


def test_numbers_go_on_from_slab_to_slab(monkeypatch: pytest.MonkeyPatch):
    truth = draw_balls((60, 40, 40), [(8, 12, 12, 7), (20, 26, 24, 8), (33, 14, 20, 7)])
    planes = maps_of(truth)
    whole = cut(planes)
    monkeypatch.setattr(basins, "CELLS_AT_ONCE", 1)
    parts = cut(planes)
    pairs = np.unique(np.stack([whole, parts]).reshape(2, -1), axis=1)
    # Each basin of the one is one basin of the other.
    assert len(pairs.T) == len(np.unique(whole)) == len(np.unique(parts))


def test_every_number_is_used_also_in_noise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(basins, "CELLS_AT_ONCE", 1)
    labels = cut(noise(40), 1.0)
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_basins_reach_down_to_a_foreground_that_is_given():
    low, usual, high = (cut(noise(8), lowest=n) > 0 for n in (0.1, LOW_FOREGROUND, 0.5))
    assert low.sum() > usual.sum() > high.sum()


def test_nothing_comes_of_nothing():
    assert list(VolumeBasins(SmoothedMaps([None, None].__getitem__, 2, 1.0)).planes()) == []


def test_what_is_kept_is_what_is_found_again(monkeypatch: pytest.MonkeyPatch):
    planes = noise(36)
    monkeypatch.setattr(basins, "CELLS_AT_ONCE", 1)

    def twice() -> list[bytes]:
        volume = VolumeBasins(SmoothedMaps(planes.__getitem__, len(planes), 1.0))
        return [b"".join(p.labels.tobytes() for p in volume.planes()) for _ in range(2)]

    kept = twice()
    monkeypatch.setattr(basins, "CELLS_KEPT", 20 * SHAPE[0] * SHAPE[1])
    assert len({*kept, *twice()}) == 1
