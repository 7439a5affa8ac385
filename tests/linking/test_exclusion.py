"""Groups of candidates that exclude each other cover every pair, and nothing else."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_segany.linking.exclusion import exclusive_groups

PAIRS = st.sets(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1])
)


@given(PAIRS)
def test_groups_hold_each_pair_and_no_other(pairs: set[tuple[int, int]]):
    given_pairs = np.array(sorted(pairs), np.intp).reshape(-1, 2)
    groups = list(exclusive_groups(given_pairs))
    held = {pair for group in groups for pair in combinations(group, 2)}
    assert held == pairs


def test_a_region_and_its_parts_are_chains():
    """Of nested regions, all on one way down exclude each other, and one group says so."""
    pairs = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3]])
    assert list(exclusive_groups(pairs)) == [[0, 1, 2], [0, 1, 3]]
