"""Labels of planes, and what is held back of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.training.scenes import draw_scene

from napari_segany.errors import InputError
from napari_segany.training.labelled_planes import LabelledPlane, hold_back, label_plane


def make_plane(number: int = 0) -> LabelledPlane:
    rgb, labels = draw_scene()
    return label_plane(f"plane {number}", rgb + np.uint8(number), labels)


def test_large_ids_are_renumbered_and_negative_ones_are_unknown() -> None:
    rgb = np.zeros((2, 3, 3), np.uint8)
    plane = label_plane("a", rgb, np.array([[0, 10**9, -7], [70000, 70000, 0]]))
    assert plane.labels.tolist() == [[0, 2, -1], [1, 1, 0]]
    assert plane.objects == 2


def test_outside_the_complete_region_only_whole_objects_are_known() -> None:
    rgb, labels = draw_scene()
    complete = np.zeros(labels.shape, bool)
    complete[:, :50] = True
    plane = label_plane("a", rgb, labels, complete)
    inside = set(np.unique(labels[:, :50])) - {0, -1}
    assert set(np.unique(plane.labels)) == inside | {0, -1}
    for number in inside:
        assert ((plane.labels == number) == (labels == number)).all()
    assert (plane.labels[:, 50:][labels[:, 50:] == 0] == -1).all()


@pytest.mark.parametrize(
    ("labels", "complete", "message"),
    [
        (np.zeros((3, 3), int), None, "labels of a have shape"),
        (np.zeros((2, 3)), None, "are float64"),
        (np.zeros((2, 3), int), np.ones((3, 3), bool), "complete region of a has shape"),
    ],
)
def test_labels_that_do_not_fit(labels: Any, complete: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        label_plane("a", np.zeros((2, 3, 3), np.uint8), labels, complete)


def test_of_many_planes_every_fourth_is_held_back() -> None:
    planes = [make_plane(number) for number in range(9)]
    parts = hold_back(planes)
    assert parts.how == "planes"
    assert len(parts.held_back) == 2
    assert {each.name for each in parts.learned + parts.held_back} == {e.name for e in planes}
    # Whatever their order.
    assert {e.name for e in hold_back(planes[::-1]).held_back} == {e.name for e in parts.held_back}


def test_of_few_planes_a_quarter_of_each_is_held_back_in_whole_objects() -> None:
    plane = make_plane()
    parts = hold_back([plane])
    assert parts.how == "quarters"
    (learned,), (held_back,) = parts.learned, parts.held_back
    whole = {int(n): int((plane.labels == n).sum()) for n in range(1, 7)}
    seen: dict[int, int] = {}
    for part in (learned, held_back):
        ids, counts = np.unique(part.labels[part.labels > 0], return_counts=True)
        assert len(ids) > 0
        seen |= dict(zip(ids.tolist(), counts.tolist(), strict=True))
        assert ((part.labels == plane.labels) | (part.labels == -1)).all()
    assert seen == whole
    assert len(np.unique(held_back.labels)) < len(np.unique(learned.labels))
    # Nothing is in both.
    assert not ((learned.labels >= 0) & (held_back.labels >= 0)).any()


def test_of_few_objects_nothing_is_held_back() -> None:
    plane = make_plane()
    few = replace(plane, labels=np.where(plane.labels > 2, 0, plane.labels))
    assert hold_back([few]) == replace(
        hold_back([few]), learned=(few,), held_back=(), how="nothing"
    )
