"""Regions fit planes or stacks."""

import numpy as np
import pytest

from napari_segany.core.planes import StackLayout
from napari_segany.core.region import check_region, region_of
from napari_segany.errors import InputError

LAYOUT = StackLayout("ZYX", (2, 4, 5))


def test_regions_of_planes_and_stacks_fit():
    check_region(None, LAYOUT)
    check_region(np.ones((4, 5)), LAYOUT)
    check_region(np.ones((2, 4, 5)), LAYOUT)
    with pytest.raises(InputError, match=r"\(4, 5\) for all planes or \(2, 4, 5\)"):
        check_region(np.ones((5, 4)), LAYOUT)
    with pytest.raises(InputError, match=r"give \(4, 5\) for all planes\."):
        check_region(np.ones((5, 4)), StackLayout("YX", (4, 5)))


def test_a_plane_has_its_own_part():
    stack = np.array([[[0, 2, -1, np.nan]], [[1, 0, 0, 0]]])
    assert region_of(stack, (0,)).tolist() == [[False, True, False, False]]  # type: ignore[union-attr]
    assert region_of(stack[1], (0,)).tolist() == [[True, False, False, False]]  # type: ignore[union-attr]
    assert region_of(None, (0,)) is None
