"""Tests of the objects of frames, their overlaps and their common shift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops

from napari_segany.linking.tracks.frame_objects import (
    measure_frame,
    number_objects,
    shared_pixels,
)
from napari_segany.linking.tracks.frame_shift import common_shift


@pytest.mark.parametrize("factor", [1, 2**30])
@pytest.mark.parametrize("shape", [(9, 11), (4, 6, 7)])
def test_measurements_are_those_of_scikit_image(factor, shape):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 6, shape)
    image = rng.random((*shape, 2))
    values, numbered = number_objects(labels * factor)
    found = measure_frame(values, numbered, image)
    assert found.label.tolist() == [factor * i for i in range(1, 6)]
    for i, each in enumerate(regionprops(labels, image)):
        assert np.allclose(found.position[i], each.centroid)
        assert found.area[i] == each.area
        assert np.allclose(found.intensity[i], each.intensity_mean)


def test_pixels_without_a_number_do_not_count():
    image = np.array([[1.0, np.nan, 5.0, np.nan]])
    found = measure_frame(*number_objects(np.array([[1, 1, 2, 3]])), image)
    assert found.intensity[:2, 0].tolist() == [1, 5]
    assert np.isnan(found.intensity[2, 0])


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**16),
    shift=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    factor=st.sampled_from([1, 500]),
)
def test_shared_pixels_are_those_of_moved_frames(seed, shift, factor):
    rng = np.random.default_rng(seed)
    one, two = (rng.integers(0, 5, (7, 8)).astype(np.int32) * factor for _ in range(2))
    expected = {}
    for (row, col), label in np.ndenumerate(one):
        to = (row + shift[0], col + shift[1])
        if label and 0 <= to[0] < 7 and 0 <= to[1] < 8 and two[to]:
            pair = (int(label) - 1, int(two[to]) - 1)
            expected[pair] = expected.get(pair, 0) + 1
    found = shared_pixels(one, two, shift)
    counted = dict(zip(map(tuple, found.pairs.tolist()), found.count.tolist(), strict=True))
    assert counted == expected
    assert list(counted) == sorted(counted)


def test_a_large_shift_is_found_and_chance_is_not():
    rng = np.random.default_rng(0)
    one = rng.uniform(0, 400, (40, 2))
    two = one + np.array([70, -31]) + rng.normal(0, 1, (40, 2))
    assert np.allclose(common_shift(one, two, 8), [70, -31], atol=1)
    assert common_shift(one, rng.uniform(0, 400, (40, 2)), 8).tolist() == [0, 0]
    assert common_shift(one[:3], two[:3], 8).tolist() == [0, 0]
