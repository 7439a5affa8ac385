"""Planes of followed objects that deserve a look."""

from typing import Any

import numpy as np

from napari_segany import MaskSet
from napari_segany.linking.propagation.doubts import END_CONFIDENCE, LOOKS, planes_to_check
from napari_segany.linking.propagation.result import PropagatedObject, Propagation
from napari_segany.linking.propagation.spans import PlaneAnswer, Span, SpanResult


def answer(confidence: float, area: int = 100, source: Any = "forward") -> PlaneAnswer:
    inside = np.arange(400).reshape(20, 20) < area
    return PlaneAnswer(MaskSet.from_masks([inside]), confidence, source=source)


def followed(answers: Any, ends: tuple[str, str], prompted: int = 5) -> Any:
    """An object that is prompted on one plane, with what was found before and after it."""
    before = {plane: each for plane, each in answers.items() if plane < prompted}
    after = {plane: each for plane, each in answers.items() if plane > prompted}
    first = answer(1.0, source="prompt")
    spans = {
        Span(None, prompted): SpanResult("", before, ends[0]),
        Span(prompted, None): SpanResult("", after, ends[1]),
    }
    every = dict(sorted({**answers, prompted: first}.items()))
    return PropagatedObject({prompted: first.mask}, {prompted: first}, spans, every)


def to_check(each: Any, planes: range, below: float) -> list[int]:
    return planes_to_check(each.confidences(planes), below)


def test_planes_behind_ends_are_proposed_unless_the_end_is_known() -> None:
    answers = {4: answer(0.99), 6: answer(0.85, 50)}
    each = followed(answers, ("similarity", "presence"))
    assert each.confidences(range(10)) == {
        3: END_CONFIDENCE,
        4: 0.99,
        6: 0.85,
        7: END_CONFIDENCE,
    }
    assert to_check(each, range(10), 0.0) == [6, 3, 7]
    # Beyond the stack there is nothing.
    assert set(each.confidences(range(4, 7))) == {4, 6}
    for end in ("stack", "absent", "stopped"):
        assert set(followed(answers, (end, end)).confidences(range(10))) == {4, 6}


def test_an_end_that_the_user_confirmed_is_not_proposed() -> None:
    first = answer(1.0, source="prompt")
    spans = {
        Span(None, 5): SpanResult("", {}, "similarity"),
        Span(5, 7): SpanResult("", {6: answer(0.99)}, "similarity"),
        Span(7, None): SpanResult("", {}, "absent"),
    }
    answers = {5: first, 6: answer(0.99)}
    each = PropagatedObject({5: first.mask, 7: None}, {5: first}, spans, answers)
    assert set(each.confidences(range(10))) == {4, 6}


def test_an_end_within_a_span_up_to_an_absence_is_proposed() -> None:
    first = answer(1.0, source="prompt")
    spans = {
        Span(None, 5): SpanResult("", {}, "stack"),
        Span(5, 9): SpanResult("", {6: answer(0.99)}, "score"),
        Span(9, None): SpanResult("", {}, "absent"),
    }
    each = PropagatedObject(
        {5: first.mask, 9: None}, {5: first}, spans, {5: first, 6: answer(0.99)}
    )
    assert set(each.confidences(range(12))) == {6, 7}


def test_some_planes_are_proposed_in_any_case_and_all_doubtful_ones() -> None:
    sure = followed({n: answer(0.95) for n in (*range(5), *range(6, 10))}, ("stack", "stack"))
    assert to_check(sure, range(10), 0.75) == [0, 1, 2]
    unsure = followed({n: answer(0.7) for n in (*range(5), *range(6, 10))}, ("stack", "stack"))
    assert to_check(unsure, range(10), 0.75) == [*range(5), *range(6, 10)]
    both = Propagation(range(10), (20, 20), {1: sure, 2: unsure})
    assert [(i, n) for _, i, n in both.to_check()] == [
        (2, 0),
        (2, 1),
        (2, 2),
        (1, 0),
        (1, 1),
        (1, 2),
    ]
    assert len(both.to_check(0.75)) == LOOKS + 9


def test_an_object_that_is_only_prompted_has_its_ends_to_check() -> None:
    each = followed({}, ("score", "score"))
    assert to_check(each, range(10), 0.75) == [4, 6]
    nothing = PropagatedObject({}, {}, {}, {})
    assert to_check(nothing, range(10), 0.75) == []
