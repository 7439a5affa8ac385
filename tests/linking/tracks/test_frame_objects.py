"""Tests of the objects of frames, their overlaps and their common shift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops
from tests.linking.tracks.movies import moving_discs

from napari_segany.linking.tracks.frame_objects import (
    measure_frame,
    number_objects,
    shared_pixels,
)
from napari_segany.linking.tracks.frame_shift import common_shift
from napari_segany.linking.tracks.observed_movie import observe


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


def test_frames_with_nothing_in_common_have_no_shift():
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*[np.arange(0, 160, 20)] * 2), axis=-1).reshape(-1, 2)
    found = []
    for _ in range(50):
        pair = [grid[rng.random(64) < 0.6] + rng.uniform(-6, 6, (1, 2)) for _ in range(2)]
        one, two = (each + rng.normal(0, 5, each.shape) for each in pair)
        found.append(np.linalg.norm(common_shift(one, two, 9)))
    # What remains is the way between the grids, and no step of them.
    assert np.mean(np.array(found) > 9) <= 0.04


def test_dense_objects_that_drift_by_a_radius_and_more_are_aligned():
    way = np.array([-15.0, 2.0])
    movie = moving_discs(
        1, frames=4, count=45, shape=(220, 220), radius=9, step=4, persistence=0, drift=(-15, 2)
    )
    found = observe(movie.labels.__getitem__, range(4), "YX", {}, max_gap=0, align=True)
    assert np.allclose([pair.shift for pair in found.neighbours], way, atol=4)
