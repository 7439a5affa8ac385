import numpy as np

from napari_segany import Prompt
from napari_segany.core.masks import MaskSet
from napari_segany.session.history import History, state_towards
from napari_segany.session.labels_target import ArrayTarget
from napari_segany.session.state import Commit, SegmentedObject, State

MASK = MaskSet.from_masks(np.ones((1, 2, 2), bool))


def committed(number: int) -> SegmentedObject:
    prompt = Prompt([[0, 0]])
    return SegmentedObject(
        number, (None, None), prompt, label=number, commit=Commit(MASK, "replace", number)
    )


def test_a_state_on_the_way_differs_in_so_many_objects() -> None:
    objects = {n: committed(n) for n in range(1, 6)}
    full, empty = State(objects), State()
    part = state_towards(full, empty, 2)
    assert list(part.objects) == [1, 2, 3]
    assert state_towards(part, empty, 3) is empty
    assert state_towards(full, empty, None) is empty
    assert list(state_towards(empty, full, 2).objects) == [4, 5]


def test_undoing_in_parts_is_one_step() -> None:
    labels = np.zeros((2, 2), np.int32)
    history = History(ArrayTarget(labels))
    history.advance(State({n: committed(n) for n in range(1, 6)}))
    assert labels[0, 0] == 5
    history.undo(2)
    assert history.is_between_steps
    assert labels[0, 0] == 3
    history.undo(2)
    history.undo(2)
    assert not history.is_between_steps
    assert not history.can_undo
    assert labels[0, 0] == 0
    history.redo()
    assert labels[0, 0] == 5
    assert not history.can_redo


def test_joined_steps_are_undone_together() -> None:
    history = History(ArrayTarget(np.zeros((2, 2), np.int32)))
    history.advance(State({1: committed(1)}))
    history.advance(State({1: committed(1), 2: committed(2)}), join=True)
    history.undo()
    assert not history.state.objects
