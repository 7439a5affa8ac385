"""What the compositor finds missing, and how little of the labels it reads for that."""

from itertools import product

import numpy as np
import pytest

from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.session.label_compositor import LabelCompositor
from napari_segany.session.labels_target import ArrayTarget, Box
from napari_segany.session.state import Commit, SegmentedObject

SHAPE = (4, 40, 50)


class CountingTarget(ArrayTarget):
    """Labels in an array that count the boxes that were read."""

    def __init__(self) -> None:
        super().__init__(np.zeros(SHAPE, np.int32))
        self.boxes = 0

    def read(self, box: Box) -> np.ndarray:
        self.boxes += 1
        return super().read(box)


@pytest.fixture
def target() -> CountingTarget:
    return CountingTarget()


@pytest.fixture
def compositor(target: CountingTarget) -> LabelCompositor:
    return LabelCompositor(target)


def committed(number: int, plane: int, top: int, left: int, size: int = 5) -> SegmentedObject:
    mask = MaskSet.from_crops(SHAPE[1:], [np.ones((size, size), bool)], [(top, left)])
    commit = Commit(mask, "replace", number)
    prompt = Prompt(points=[(top, left)])
    return SegmentedObject(number, (plane, None, None), prompt, label=number, commit=commit)


@pytest.fixture
def objects(compositor: LabelCompositor) -> list[SegmentedObject]:
    """Objects beside each other on every plane, of which nothing is missing."""
    places = product(range(SHAPE[0]), range(0, 40, 10), range(0, 50, 10))
    found = [committed(number, *place) for number, place in enumerate(places, start=1)]
    for each in found:
        compositor.add(each)
    return found


def test_objects_that_are_all_there_cost_no_box(
    compositor: LabelCompositor, target: CountingTarget, objects: list[SegmentedObject]
) -> None:
    target.boxes = 0
    assert compositor.missing() == {}
    assert target.boxes == 0


def test_what_is_gone_is_found_among_many(
    compositor: LabelCompositor, target: CountingTarget, objects: list[SegmentedObject]
) -> None:
    compositor.missing()
    target.data[target.data == 7] = 0
    target.data[target.data == 33] = 99
    # A hole at the first pixel, and paint on all but the last.
    target.data[0, 0, 0] = 0
    here = np.argwhere(target.data == 50)
    target.data[tuple(here[:-1].T)] = 99
    assert compositor.missing() == {7: "undone", 33: "painted over"}
    target.boxes = 0
    assert compositor.missing() == {7: "undone", 33: "painted over"}
    assert target.boxes == 2, "of the others a visible pixel is known by now"


def test_a_covered_object_is_not_missing_and_comes_back(
    compositor: LabelCompositor, target: CountingTarget, objects: list[SegmentedObject]
) -> None:
    compositor.add(committed(90, 0, 0, 0, 6))
    # This one covers the first pixels of another object.
    compositor.add(committed(91, 0, 10, 10, 2))
    assert not (target.data == 1).any()
    target.boxes = 0
    assert compositor.missing() == {}
    assert target.boxes == 2
    assert compositor.missing() == {}
    assert target.boxes == 3, "a visible pixel of the other object is known"
    compositor.remove(90)
    assert compositor.missing() == {}
    target.data[target.data == 1] = 0
    assert compositor.missing() == {1: "undone"}
    compositor.remove(1)
    assert compositor.missing() == {}


def test_nothing_is_missing_where_nothing_is(
    compositor: LabelCompositor, target: CountingTarget
) -> None:
    assert compositor.missing() == {}
    assert target.boxes == 0
