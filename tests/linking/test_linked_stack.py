"""Stacks with several leading axes: which planes are one volume, and which ids objects get."""

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
