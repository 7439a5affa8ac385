"""The chosen objects and links have the greatest gain of all that are allowed."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import choose_count

from napari_segany.errors import SeganyError
from napari_segany.linking import selection
from napari_segany.linking.selection import LinkProblem, solve


@st.composite
def problems(draw: st.DrawFn) -> LinkProblem:
    """Up to three planes of two candidates, with whole gains so that sums are exact."""
    sizes = draw(st.lists(st.integers(1, 2), min_size=1, max_size=3))
    plane = np.repeat(np.arange(len(sizes)), sizes)
    count = len(plane)
    pairs = [(i, j) for i in range(count) for j in range(count) if plane[i] < plane[j]]
    links = draw(st.lists(st.sampled_from(pairs), max_size=4, unique=True)) if pairs else []
    same = [(i, j) for i in range(count) for j in range(i + 1, count) if plane[i] == plane[j]]
    exclusive = draw(st.lists(st.sampled_from(same), max_size=4, unique=True)) if same else []
    barred = {i for pair in exclusive for i in pair}
    given_ones = [i for i in range(count) if plane[i] == 0 and i not in barred]
    numbers = st.integers(-9, 9)
    return LinkProblem(
        np.array(draw(st.lists(numbers, min_size=count, max_size=count)), float),
        np.isin(np.arange(count), draw(st.sets(st.sampled_from([-1, *given_ones])))),
        np.array(links, np.intp).reshape(-1, 2),
        np.array([draw(st.integers(1, 9)) for _ in links], float),
        np.array(exclusive, np.intp).reshape(-1, 2),
    )


def is_allowed(problem: LinkProblem, objects: np.ndarray, links: np.ndarray) -> bool:
    ends = problem.links[links]
    return bool(
        objects[problem.given].all()
        and not objects[problem.exclusive].all(axis=1).any()
        and objects[ends].all()
        and all(len(set(side.tolist())) == len(side) for side in ends.T)
    )


def gain(problem: LinkProblem, objects: np.ndarray, links: np.ndarray) -> float:
    return float(problem.value[objects].sum() + problem.gain[links].sum())


@pytest.mark.parametrize("together", [1, selection.TOGETHER])
@settings(max_examples=choose_count(100, 20), deadline=None)
@given(problems())
def test_nothing_allowed_gains_more(together: int, problem: LinkProblem):
    """In one part or in as many as there are candidates that do not depend on each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "TOGETHER", together)
        objects, links = solve(problem)
    assert is_allowed(problem, objects, links)
    count = len(problem.value)
    best = -np.inf
    for bits in product((False, True), repeat=count + len(problem.links)):
        chosen = np.array(bits)
        if is_allowed(problem, chosen[:count], chosen[count:]):
            best = max(best, gain(problem, chosen[:count], chosen[count:]))
    assert gain(problem, objects, links) == pytest.approx(best)


def test_nothing_to_choose():
    none = np.zeros((0, 2), np.intp)
    empty = LinkProblem(np.zeros(0), np.zeros(0, bool), none, np.zeros(0), none)
    objects, links = solve(empty)
    assert len(objects) == len(links) == 0


def test_what_cannot_be_is_told():
    """Two given objects that exclude each other: no window makes such a problem."""
    none = np.zeros((0, 2), np.intp)
    both = np.ones(2, bool)
    problem = LinkProblem(np.ones(2), both, none, np.zeros(0), np.array([[0, 1]]))
    with pytest.raises(SeganyError, match="cannot be linked"):
        solve(problem)


def test_branches_are_bounded_by_a_number_and_not_by_time():
    assert isinstance(selection.MOST_BRANCHES, int)
