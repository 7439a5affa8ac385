"""Tests of assignment, against the dense solver and against all choices."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from napari_segany.linking.tracks.assignment import assign


@settings(deadline=None)
@given(seed=st.integers(0, 2**16), n=st.integers(1, 8), m=st.integers(1, 8))
def test_the_sum_of_costs_is_that_of_the_dense_solver(seed, n, m):
    rng = np.random.default_rng(seed)
    cost = rng.random((n, m))
    near = rng.random((n, m)) < 0.5
    pairs = np.argwhere(near)
    linked = assign(pairs, cost[near], 0.7)
    chosen = pairs[linked]
    assert len(set(chosen[:, 0])) == len(set(chosen[:, 1])) == len(chosen)
    saved = (0.7 - cost[near][linked]).sum()
    gain = np.where(near, np.maximum(0.7 - cost, 0), 0)
    best = gain[linear_sum_assignment(-gain)].sum()
    assert np.isclose(saved, best)


def test_costs_of_no_link_and_more_are_not_linked():
    pairs = np.array([[0, 0], [1, 1]])
    assert assign(pairs, np.array([0.8, 0.79]), 0.8).tolist() == [False, True]
    assert assign(pairs[:0], np.zeros(0), 0.8).tolist() == []
