from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_segany.core.binary_mask import pack, unpack

SIDE = 40


@st.composite
def masks(draw: Any) -> tuple[Any, tuple[int, int, int, int]]:
    """A mask within a box of a plane, touching nothing in particular."""
    top, left = draw(st.integers(0, SIDE - 1)), draw(st.integers(0, SIDE - 1))
    bottom, right = draw(st.integers(top + 1, SIDE)), draw(st.integers(left + 1, SIDE))
    random = np.random.default_rng(draw(st.integers(0, 999)))
    return random.random((bottom - top, right - left)) < 0.5, (top, left, bottom, right)


def whole(mask: Any, box: tuple[int, int, int, int]) -> Any:
    plane = np.zeros((SIDE, SIDE), bool)
    plane[box[0] : box[2], box[1] : box[3]] = mask
    return plane


@given(masks())
def test_back_and_forth(one: Any) -> None:
    mask, (_, left, _, right) = one
    assert np.array_equal(unpack(pack(mask, left), left, right), mask)
