"""Shapes between two shapes."""

import numpy as np
import pytest
from tests.linking.planes import disc

from napari_segany.linking.shape_interpolation import interpolate_mask, signed_distance


def radius_of(mask: np.ndarray) -> float:
    return float(np.sqrt(np.count_nonzero(mask) / np.pi))


@pytest.mark.parametrize("part", [0.25, 0.5, 0.75])
def test_between_two_discs_lies_a_disc_between(part: float):
    mask, origin = interpolate_mask(disc(14, 20, 5), (0, 0), disc(22, 40, 11), (0, 0), part)
    assert radius_of(mask) == pytest.approx(5 + 6 * part, abs=0.4)
    centre = np.argwhere(mask).mean(axis=0) + origin
    assert centre == pytest.approx((14 + 8 * part, 20 + 20 * part), abs=0.6)


def test_the_ends_are_the_shapes_themselves():
    one, two = disc(14, 20, 5), disc(22, 40, 11)
    for part, shape in ((0.0, one), (1.0, two)):
        mask, (top, left) = interpolate_mask(one, (0, 0), two, (0, 0), part)
        rows, cols = np.nonzero(mask)
        found = np.zeros_like(shape)
        found[rows + top, cols + left] = True
        assert np.array_equal(found, shape)


def test_origins_move_the_shape():
    square = np.ones((4, 4), bool)
    mask, origin = interpolate_mask(square, (10, 10), square, (20, 30), 0.5)
    rows, cols = np.nonzero(mask)
    assert (rows.min() + origin[0], cols.min() + origin[1]) == (15, 20)
    assert np.count_nonzero(mask) == 16


def test_distances_change_their_sign_at_the_outline():
    distance = signed_distance(np.array([[0, 0, 1, 1, 1, 0]], bool))
    assert distance.tolist() == [[-1.5, -0.5, 0.5, 1.5, 0.5, -0.5]]
