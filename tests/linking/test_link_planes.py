"""Objects and links that are chosen through planes."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import choose_count
from tests.linking.planes import SHAPE, disc, plane

from napari_segany import LinkParams
from napari_segany.errors import Cancelled
from napari_segany.linking import link_planes as linking
from napari_segany.linking.link_planes import Links, candidate_values, link_planes
from napari_segany.linking.plane_candidates import PlaneCandidates

WHOLE, LEFT, RIGHT = disc(24, 30, 12), disc(24, 30, 12), disc(24, 30, 12)
LEFT[:, 30:], RIGHT[:, :30] = False, False


def link(planes: Sequence[PlaneCandidates], **given: object) -> Links:
    return link_planes(planes.__getitem__, len(planes), LinkParams(**given))


def chains(links: Links) -> list[list[tuple[int, int]]]:
    """The parts of each object, as plane and candidate."""
    return [
        list(zip(links.plane[mine].tolist(), links.candidate[mine].tolist(), strict=True))
        for mine in (links.label == k for k in range(1, int(links.label.max(initial=0)) + 1))
    ]


def test_objects_that_overlap_are_one():
    planes = [plane([disc(14, 14, 8), disc(30, 44, 9)])] * 3
    assert chains(link(planes)) == [[(0, 0), (1, 0), (2, 0)], [(0, 1), (1, 1), (2, 1)]]


def test_a_whole_replaces_the_parts_of_one_plane():
    """A plane that was cut in two is mended by its neighbours."""
    planes = [plane([WHOLE]), plane([LEFT, RIGHT], [WHOLE]), plane([WHOLE])]
    assert chains(link(planes)) == [[(0, 0), (1, 2), (2, 0)]]
    alone = chains(link(planes, alternatives=False))
    assert [part for chain in alone for part in chain].count((1, 1)) == 1


def test_parts_replace_a_plane_that_joined_two_objects():
    planes = [plane([LEFT, RIGHT]), plane([WHOLE], [LEFT, RIGHT]), plane([LEFT, RIGHT])]
    assert chains(link(planes)) == [[(0, 0), (1, 1), (2, 0)], [(0, 1), (1, 2), (2, 1)]]


def test_a_faint_object_is_found_where_its_neighbours_are():
    faint = plane([], [disc(24, 30, 9)], other_score=0.3)
    clear = plane([disc(24, 30, 9)])
    assert chains(link([clear, faint, clear])) == [[(0, 0), (1, 0), (2, 0)]]
    # Nothing speaks for it elsewhere.
    assert chains(link([faint])) == []


def test_gaps_are_bridged_as_far_as_wanted():
    there, gone = plane([disc(24, 30, 9)]), plane([])
    planes = [there, gone, there]
    assert chains(link(planes)) == [[(0, 0), (2, 0)]]
    assert chains(link(planes, max_gap=0)) == [[(0, 0)], [(2, 0)]]
    assert chains(link([there, gone, gone, there])) == [[(0, 0)], [(3, 0)]]
    assert chains(link([there, gone, gone, there], max_gap=2)) == [[(0, 0), (3, 0)]]


def test_a_section_that_lies_elsewhere_is_aligned():
    places = [(10, 10), (10, 34), (34, 12), (36, 44)]
    planes = [
        plane([disc(row + move, col - move, 6) for row, col in places]) for move in (0, 3, 0, 3)
    ]
    assert len(chains(link(planes, min_overlap=0.5))) == 4
    assert len(chains(link(planes, min_overlap=0.5, align=False))) > 4


def test_objects_go_through_windows():
    """Longer than a window, with an error in every place that a window may end at."""
    good, bad = plane([WHOLE]), plane([LEFT, RIGHT], [WHOLE])
    for every in (2, 3, 7):
        planes = [bad if n % every == 1 else good for n in range(3 * linking.WINDOW)]
        (chain,) = chains(link(planes))
        assert chain == [(n, 2 if n % every == 1 else 0) for n in range(len(planes))]


def test_memory_holds_a_window_of_planes():
    """Each plane is asked for once, in order, and not before it comes into view."""
    asked: list[int] = []
    good = plane([WHOLE])

    def load(number: int) -> PlaneCandidates:
        asked.append(number)
        return good

    row = linking._Row(load, LinkParams())
    for start in range(0, 60, linking.STEP):
        row.decide(start, start + linking.STEP, start + linking.WINDOW)
        assert len(row._planes) <= linking.WINDOW + 2
    assert asked == list(range(60 - linking.STEP + linking.WINDOW))


def test_alternatives_cost_where_nothing_speaks_for_them():
    candidates = plane([LEFT], [WHOLE, disc(8, 56, 5)], score=0.7, other_score=0.95)
    values = candidate_values(candidates, candidates.exclusive_pairs())
    assert values[0] == pytest.approx(LEFT.sum() * 0.2, rel=1e-5)
    # No better than what it replaces, however sure it is of itself.
    assert values[1] == pytest.approx(WHOLE.sum() * (0.2 - linking.RELUCTANCE), rel=1e-5)
    assert values[2] < 0


PLACES = st.lists(st.sampled_from([(12, 12), (12, 40), (34, 14), (36, 48)]), unique=True)


@settings(max_examples=choose_count(100, 20), deadline=None)
@given(st.lists(PLACES, min_size=1, max_size=15))
def test_distinct_objects_become_runs(seen: list[list[tuple[int, int]]]):
    """Objects that never touch: each run without a gap beyond the limit is one object."""
    planes = [plane([disc(*place, 6) for place in places]) for places in seen]
    expected = []
    for number, places in enumerate(seen):
        for i, place in enumerate(places):
            for run in expected:
                last = run[-1]
                if number - last[0] <= 2 and seen[last[0]][last[1]] == place:
                    run.append((number, i))
                    break
            else:
                expected.append([(number, i)])
    assert chains(link(planes, align=False)) == expected


def test_nothing_gives_nothing():
    assert chains(link([])) == []
    assert chains(link([PlaneCandidates.empty(SHAPE)] * 3)) == []


def test_it_stops_when_told():
    with pytest.raises(Cancelled):
        link_planes([plane([WHOLE])].__getitem__, 1, should_stop=lambda: True)


def test_parts_have_pixels_and_scores():
    links = link([plane([WHOLE], score=0.75)])
    assert links.area.tolist() == [int(np.count_nonzero(WHOLE))]
    assert links.score.tolist() == [0.75]
