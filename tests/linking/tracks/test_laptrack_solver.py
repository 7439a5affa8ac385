"""Tests of gaps and divisions that are decided together, against all choices."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import choose_count

from napari_segany.linking.tracks.laptrack_solver import Joints, solve_joints

# Six pieces: three are seen up to frame 1 or 2, three from frame 3 or 4 on, with a long one beside.
PIECES = [range(0, 2), range(0, 3), range(1, 2), range(3, 5), range(4, 6), range(3, 6), range(0, 6)]
FRAME = np.concatenate([np.array(each) for each in PIECES]).astype(np.int64)
PIECE = np.repeat(np.arange(len(PIECES)), [len(each) for each in PIECES]).astype(np.intp)


def row(piece: int, frame: int) -> int:
    (found,) = np.flatnonzero((piece == PIECE) & (frame == FRAME))
    return int(found)


GAPS = [
    (row(a, PIECES[a][-1]), row(b, PIECES[b][0]))
    for a in (0, 1, 2)
    for b in (3, 4, 5)
    if 2 <= PIECES[b][0] - PIECES[a][-1] <= 3
]
DIVISIONS = [
    *((row(6, PIECES[b][0] - 1), row(b, PIECES[b][0])) for b in (3, 4, 5)),
    *((row(a, PIECES[4][0] - 1), row(4, PIECES[4][0])) for a in (3, 5)),
]


def joints(pairs: list, cost: np.ndarray, chosen: np.ndarray) -> Joints:
    return Joints(np.array(pairs, np.intp).reshape(-1, 2)[chosen], cost[chosen])


def best_gain(gaps: Joints, divisions: Joints) -> float:
    """The largest sum of 1 less the cost of joints that exclude each other nowhere."""
    every = [
        (("end", one), two, 1 - cost)
        for (one, two), cost in zip(gaps.pairs.tolist(), gaps.cost.tolist(), strict=True)
    ]
    every += [
        (("parent", one), two, 1 - cost)
        for (one, two), cost in zip(divisions.pairs.tolist(), divisions.cost.tolist(), strict=True)
    ]
    best = 0.0
    for count in range(len(every) + 1):
        for some in combinations(every, count):
            if len({a for a, _, _ in some}) == len({b for _, b, _ in some}) == count:
                best = max(best, sum(gain for _, _, gain in some))
    return best


@settings(deadline=None, max_examples=choose_count(60, 15))
@given(seed=st.integers(0, 2**16))
def test_the_choice_is_the_best_of_all(seed: int):
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0, 1, len(GAPS)), rng.uniform(0, 1, len(DIVISIONS))
    there = rng.random(len(GAPS)) < 0.7, rng.random(len(DIVISIONS)) < 0.7
    gaps, divisions = joints(GAPS, cost[0], there[0]), joints(DIVISIONS, cost[1], there[1])
    closed, divided = solve_joints(FRAME, PIECE, gaps, divisions, 3)
    gain = (1 - gaps.cost[closed]).sum() + (1 - divisions.cost[divided]).sum()
    assert gain == pytest.approx(best_gain(gaps, divisions), abs=1e-4)
    starts = [*gaps.pairs[closed, 1], *divisions.pairs[divided, 1]]
    assert len(set(starts)) == len(starts)
    for made in (gaps.pairs[closed, 0], divisions.pairs[divided, 0]):
        assert len(set(made.tolist())) == len(made)


def test_nothing_to_decide_needs_no_solver():
    none = joints(GAPS, np.zeros(len(GAPS)), np.zeros(len(GAPS), bool))
    closed, divided = solve_joints(FRAME, PIECE, none, none, 3)
    assert closed.tolist() == divided.tolist() == []
