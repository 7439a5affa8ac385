import numpy as np
from tests.linking.propagation.bright import box_of

from napari_segany import MaskSet, PropagationParams
from napari_segany.linking.propagation.prompts import expected_box, neighbour_points
from napari_segany.linking.propagation.spans import (
    PlaneAnswer,
    Span,
    join_directions,
    span_key,
    spans_of,
)


def at(col: int) -> MaskSet:
    mask = np.zeros((20, 40), bool)
    mask[5:15, col : col + 10] = True
    return MaskSet.from_masks(mask[None])


def answer(col: int, confidence: float) -> PlaneAnswer:
    return PlaneAnswer(at(col), confidence)


def test_spans_lie_between_prompted_planes_and_beyond() -> None:
    assert spans_of([7]) == [Span(None, 7), Span(7, None)]
    assert spans_of([9, 2]) == [Span(None, 2), Span(2, 9), Span(9, None)]


def test_both_sides_are_joined_where_they_agree() -> None:
    """The first way goes astray from plane 3 on, the second one down to plane 2."""
    forward = {1: answer(0, 0.9), 2: answer(1, 0.9), 3: answer(20, 0.6), 4: answer(28, 0.6)}
    backward = {4: answer(3, 0.9), 3: answer(2, 0.9), 2: answer(15, 0.6), 1: answer(25, 0.6)}
    joined = join_directions((0, at(0)), (5, at(4)), forward, backward)
    assert [joined[plane].mask.boxes[0, 1] for plane in range(1, 5)] == [0, 1, 2, 3]


def test_one_side_fills_what_the_other_did_not_find() -> None:
    forward = {1: answer(0, 0.9)}
    backward = {3: answer(2, 0.9), 2: answer(1, 0.9)}
    joined = join_directions((0, at(0)), (4, at(3)), forward, backward)
    assert sorted(joined) == [1, 2, 3]
    assert join_directions((0, at(0)), (1, at(1)), {}, {}) == {}


def test_the_key_of_a_span_changes_with_its_ends_and_settings() -> None:
    span = Span(2, 6)
    masks = {2: at(3), 6: at(4)}
    key = span_key(span, masks, PropagationParams())
    assert key == span_key(span, {2: at(3), 6: at(4)}, PropagationParams())
    others = [
        span_key(span, masks | {6: at(5)}, PropagationParams()),
        span_key(span, {2: at(3)}, PropagationParams()),
        span_key(span, {6: at(3)}, PropagationParams()),
        span_key(Span(2, 7), {2: at(3), 7: at(4)}, PropagationParams()),
        span_key(span, masks, PropagationParams(margin=0.2)),
    ]
    assert len({key, *others}) == 6


def test_the_box_grows_by_a_part_of_the_object_but_not_beyond_the_step_between_planes() -> None:
    mask = at(12)
    assert box_of(mask.mask(0)) == [5, 12, 14, 21]
    assert expected_box(mask, 0.2, None).tolist() == [3, 10, 16, 23]
    assert expected_box(mask, 0.2, 1.0).tolist() == [4, 11, 15, 22]
    assert expected_box(mask, 2, None).tolist() == [0, 0, 19, 39]


def test_the_nearest_points_that_lie_off_the_object_are_its_neighbours() -> None:
    mask = at(12)
    others = np.array([[10.0, 38.0], [10.0, 15.0], [10.0, 25.0], [2.0, 12.0]])
    found = neighbour_points(np.array([10.0, 16.0]), mask, others, 2)
    assert found.tolist() == [[2, 12], [10, 25]]
    assert not len(neighbour_points(np.array([10.0, 16.0]), mask, others, 0))
