from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_segany import Prompt
from napari_segany.session.prompt_updates import extends, is_same_prompt, with_open_objects
from napari_segany.session.state import PromptHistory, SegmentedObject, State

PLANE = (None, None)
MASK = np.eye(8, dtype=bool)


@pytest.mark.parametrize(
    ("more", "less", "wanted"),
    [
        (Prompt([[1, 2], [3, 4]]), Prompt([[1, 2]]), True),
        (Prompt([[1, 2], [3, 4]]), Prompt([[3, 4]]), False),
        (Prompt([[1, 2], [3, 4]], [0, 1]), Prompt([[1, 2]], [1]), False),
        (Prompt([[1, 2]], box=[0, 0, 4, 4]), Prompt([[1, 2]]), True),
        (Prompt([[1, 2]], box=[0, 0, 4, 4]), Prompt(box=[0, 0, 4, 4]), True),
        (Prompt([[1, 2]], box=[0, 0, 4, 5]), Prompt(box=[0, 0, 4, 4]), False),
        (Prompt([[1, 2]]), Prompt(box=[0, 0, 4, 4]), False),
        (Prompt([[1, 2]], mask=MASK), Prompt(mask=MASK.copy()), True),
        (Prompt([[1, 2]], mask=MASK), Prompt(mask=MASK[::-1]), False),
        (Prompt([[1, 2]]), Prompt(mask=MASK), False),
    ],
)
def test_a_prompt_extends_one_whose_all_it_has(more: Prompt, less: Prompt, wanted: bool) -> None:
    assert extends(more, less) is wanted
    assert extends(less, more) is is_same_prompt(less, more)
    assert is_same_prompt(more, more)


def ask(state: State, prompt: Prompt) -> State:
    return with_open_objects(state, {1: (PLANE, prompt)}, 2, {})[0]


def test_more_points_refine_and_fewer_go_back() -> None:
    points: list[list[float]] = [[1, 2], [3, 4], [5, 6]]
    state = ask(State({1: SegmentedObject(1, PLANE, Prompt(points[:1]))}), Prompt(points[:1]))
    state = state.with_objects(replace(state.objects[1], choice=2))
    first = state.objects[1]
    second = ask(state, Prompt(points[:2]))
    assert second.objects[1].before == PromptHistory(first.prompt, 2)
    assert second.objects[1].choice == 0
    third = ask(second, Prompt(points))
    assert third.objects[1].before == PromptHistory(
        second.objects[1].prompt, 0, PromptHistory(first.prompt, 2)
    )
    moved = ask(third, Prompt([*points[:2], [7, 7]]))
    assert moved.objects[1].before == third.objects[1].before
    back = ask(moved, Prompt(points[:1]))
    assert back.objects[1].before is None
    assert back.objects[1].choice == 2
    other = ask(third, Prompt([[0, 0], *points[1:]]))
    assert other.objects[1].before is None


def test_a_moved_object_begins_anew() -> None:
    state = ask(State({1: SegmentedObject(1, PLANE, Prompt([[1, 2]]))}), Prompt([[1, 2], [3, 4]]))
    there: Any = (None, None)
    assert state.objects[1].before is not None
    moved, _ = with_open_objects(state, {1: ((3, None, None), state.objects[1].prompt)}, 2, {})
    assert moved.objects[1].before is None
    same, begun = with_open_objects(state, {1: (there, state.objects[1].prompt)}, 2, {})
    assert same is state
    assert not begun
