"""Overlaps of two planes are those of the whole masks, at any shift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import choose_count
from tests.linking.planes import SHAPE, disc

from napari_segany.core.masks import MaskSet
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.plane_overlaps import best_shift, compare_planes

DISCS = st.lists(
    st.tuples(st.integers(0, 47), st.integers(0, 63), st.integers(0, 12)), min_size=1, max_size=4
)


def masks_of(discs: list[tuple[int, int, int]]) -> MaskSet:
    return MaskSet.from_masks([disc(*each) for each in discs])


@settings(max_examples=choose_count(100, 20), deadline=None)
@given(DISCS, DISCS, st.integers(-9, 9), st.integers(-9, 9))
def test_overlaps_are_those_of_moved_masks(ones: list, twos: list, rows: int, cols: int):
    one, two = masks_of(ones), masks_of(twos)
    found = compare_planes(one, two, (rows, cols))
    expected = {}
    wide = tuple(size + 60 for size in SHAPE)
    for i in range(len(one)):
        for j in range(len(two)):
            first, second = np.zeros((2, *wide), bool)
            first[30 + rows : 78 + rows, 30 + cols : 94 + cols] = one.mask(i)
            second[30:78, 30:94] = two.mask(j)
            shared = np.count_nonzero(first & second)
            if shared:
                union = np.count_nonzero(first | second)
                smaller = min(first.sum(), second.sum())
                expected[i, j] = shared / union, shared / smaller
    assert [tuple(pair) for pair in found.pairs.tolist()] == sorted(expected)
    for pair, iou, contained in zip(found.pairs.tolist(), found.iou, found.contained, strict=True):
        assert (iou, contained) == pytest.approx(expected[tuple(pair)])


def test_a_small_end_on_a_large_section_is_similar():
    """The end of a round object overlaps little, and still belongs to it."""
    found = compare_planes(masks_of([(24, 30, 12)]), masks_of([(24, 30, 5)]))
    assert found.iou[0] < 0.2 < LinkParams().min_overlap < found.overlap[0] < 1


def test_something_small_on_something_large_is_not_similar():
    found = compare_planes(masks_of([(24, 30, 12)]), masks_of([(24, 30, 3)]))
    assert found.contained[0] == 1
    assert found.overlap[0] < LinkParams().min_overlap


def test_the_shift_of_a_section_is_found():
    places = [(12, 12), (12, 40), (34, 14), (36, 44)]
    one = masks_of([(row, col, 7) for row, col in places])
    two = masks_of([(row + 3, col - 2, 7) for row, col in places])
    assert best_shift(one, two) == (3, -2)
    moved = compare_planes(one, two, (3, -2))
    assert moved.iou.max() > 0.99


def test_objects_that_move_each_their_own_way_are_not_shifted():
    one = masks_of([(12, 12, 7), (12, 40, 7), (34, 14, 7), (36, 44, 7)])
    two = masks_of([(14, 12, 7), (10, 40, 7), (34, 17, 7), (36, 41, 7)])
    assert best_shift(one, two) == (0, 0)


def test_few_objects_say_nothing_about_the_section():
    assert best_shift(masks_of([(12, 12, 7)]), masks_of([(16, 12, 7)])) == (0, 0)
    assert best_shift(MaskSet.empty(SHAPE), MaskSet.empty(SHAPE)) == (0, 0)
