"""Stacks with several leading axes: which planes are one volume, and which ids objects get."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from tests.linking.planes import SHAPE, disc, plane

from napari_segany import LinkParams
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.linking.linked_stack import LinkedStack

ONE, TWO = plane([disc(14, 14, 8)]), plane([disc(14, 14, 8), disc(34, 44, 6)])


@pytest.mark.parametrize("axes", ["TZYX", "ZTYX"])
def test_every_time_is_a_volume_by_itself(axes: str):
    shape = (2, 3) if axes[0] == "T" else (3, 2)
    layout = StackLayout(axes, (*shape, *SHAPE))
    t_at = axes.index("T")
    stack = LinkedStack(layout, lambda index: TWO if index[t_at] else ONE, LinkParams())
    assert stack.count == 3
    labels = stack.labels()
    assert labels.shape == layout.labels_shape
    for index in layout.indices():
        expected = [2, 3] if index[t_at] else [1]
        assert np.unique(labels[index])[1:].tolist() == expected
    table = stack.objects()
    assert table["label"].tolist() == [1, 2, 3]
    assert table["T"].tolist() == [0, 1, 1]
    assert table["planes"].tolist() == [3, 3, 3]


def test_planes_that_are_not_wanted_stay_empty():
    layout = StackLayout("ZYX", (6, *SHAPE)).restricted([("Z", 2, 5)])
    stack = LinkedStack(layout, lambda index: ONE, LinkParams())
    assert [int(each.max()) for each in stack.labels()] == [0, 0, 1, 1, 1, 0]
    table = stack.objects()
    assert (table["first_plane"].tolist(), table["last_plane"].tolist()) == ([2], [4])


def test_blank_planes_have_no_candidates():
    layout = StackLayout("ZYX", (3, *SHAPE))
    stack = LinkedStack(layout, lambda index: None if index == (1,) else ONE, LinkParams())
    assert stack.count == 1
    assert (stack.labels()[1] == 1).any()


def test_an_image_without_the_axis_is_refused():
    for axes, shape in (("YX", SHAPE), ("TYX", (3, *SHAPE))):
        with pytest.raises(InputError, match="no such axis"):
            LinkedStack(StackLayout(axes, shape), lambda index: ONE, LinkParams())


def test_volumes_can_be_made_in_another_way():
    """Each volume is made of its planes, None where there is nothing, and ids go on."""

    class Blocks:
        count = 2

        def __init__(self, planes: list[int | None]) -> None:
            self.planes = planes

        def objects(self) -> dict[str, np.ndarray]:
            where = np.array([0, len(self.planes) - 1])
            return {"label": np.array([1, 2]), "first_plane": where, "last_plane": where}

        def plane_labels(self) -> Iterator[np.ndarray]:
            for value in self.planes:
                yield np.full((4, 5), value or 0, np.int32)

    def make(load: Callable[[int], int | None], shape: tuple[int, int, int]) -> Blocks:
        assert shape == (3, 4, 5)
        return Blocks([load(number) for number in range(3)])

    layout = StackLayout("TZYX", (2, 3, 4, 5))
    known = {(t, z): 1 + (z == 2) for t in (0, 1) for z in (0, 2)}
    stack = LinkedStack(layout, known.get, LinkParams(), make_volume=make)
    assert stack.count == 4
    assert stack.labels()[:, :, 0, 0].tolist() == [[1, 0, 2], [3, 0, 4]]
    assert stack.objects()["label"].tolist() == [1, 2, 3, 4]
    assert stack.objects()["last_plane"].tolist() == [0, 2, 0, 2]
