import numpy as np

from napari_segany import Prompt
from napari_segany.core.masks import MaskSet
from napari_segany.session.history import History, nearer
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
    part = nearer(full, empty, 2)
    assert list(part.objects) == [1, 2, 3]
    assert nearer(part, empty, 3) is empty
    assert nearer(full, empty, None) is empty
    assert list(nearer(empty, full, 2).objects) == [4, 5]


def test_undoing_in_parts_is_one_step() -> None:
    labels = np.zeros((2, 2), np.int32)
    timeline = History(ArrayTarget(labels))
    timeline.advance(State({n: committed(n) for n in range(1, 6)}))
    assert labels[0, 0] == 5
    timeline.undo(2)
    assert timeline.is_between_steps
    assert labels[0, 0] == 3
    timeline.undo(2)
    timeline.undo(2)
    assert not timeline.is_between_steps
    assert not timeline.can_undo
    assert labels[0, 0] == 0
    timeline.redo()
    assert labels[0, 0] == 5
    assert not timeline.can_redo


def test_joined_steps_are_undone_together() -> None:
    timeline = History(ArrayTarget(np.zeros((2, 2), np.int32)))
    timeline.advance(State({1: committed(1)}))
    timeline.advance(State({1: committed(1), 2: committed(2)}), join=True)
    timeline.undo()
    assert not timeline.state.objects
