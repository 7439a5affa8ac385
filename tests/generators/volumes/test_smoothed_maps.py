"""Maps are averaged over neighbouring planes."""

import numpy as np
import pytest
from tests.generators.maps import random_maps

from napari_segany.errors import InputError
from napari_segany.generators.volumes.plane_maps import NAMES, PlaneMaps
from napari_segany.generators.volumes.smoothed_maps import SmoothedMaps

SHAPE = (12, 9)
PLANES = [PlaneMaps.pack(SHAPE, 1, 2.0, random_maps(SHAPE, seed, 64)) for seed in range(7)]


def test_planes_are_weighed_by_their_distance():
    smoothed = SmoothedMaps(PLANES.__getitem__, 7, 1.0)
    for number in (0, 3, 6):
        near = [n for n in range(7) if abs(n - number) <= 2]
        weights = np.exp(-0.5 * (np.array(near) - number) ** 2)
        maps = smoothed.average(number)
        assert maps is not None
        for name in NAMES:
            values = [getattr(PLANES[n].unpack(), name) for n in near]
            expected = np.average(values, axis=0, weights=weights)
            assert np.allclose(getattr(maps, name), expected, atol=1e-5)


def test_without_smoothing_planes_stay_as_they_are():
    maps = SmoothedMaps(PLANES.__getitem__, 7, 0.0).average(4)
    assert maps is not None
    assert np.array_equal(maps.contour, PLANES[4].unpack().contour)


def test_a_plane_without_maps_has_those_around_it():
    some = [PLANES[0], None, None, None, None, PLANES[5], None]
    smoothed = SmoothedMaps(some.__getitem__, 7, 1.0)
    filled = [smoothed.average(number) for number in range(7)]
    assert [each is not None for each in filled] == [True] * 3 + [True] * 4
    assert SmoothedMaps(some.__getitem__, 7, 0.0).average(1) is None
    one = filled[1]
    assert one is not None
    assert np.allclose(one.centre, PLANES[0].unpack().centre, atol=1e-6)
    assert SmoothedMaps([None].__getitem__, 1, 1.0).first() is None


def test_each_plane_is_loaded_once_in_a_row():
    asked: list[int] = []

    def load(number: int) -> PlaneMaps:
        asked.append(number)
        return PLANES[number]

    smoothed = SmoothedMaps(load, 7, 1.0)
    for number in range(7):
        smoothed.average(number)
    assert asked == list(range(7))


def test_planes_of_other_sizes_are_refused():
    other = PlaneMaps.pack((9, 9), 1, 2.0, random_maps((9, 9), 0, 64))
    smoothed = SmoothedMaps([PLANES[0], other].__getitem__, 2, 1.0)
    with pytest.raises(InputError, match="one size"):
        smoothed.average(0)
