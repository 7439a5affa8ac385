"""Target maps of hand-made label images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from napari_segany.networks.finder import CENTRE, CONTOUR, FOREGROUND, INTERIOR, SIZE
from napari_segany.training.targets import (
    MOST_WEIGHT,
    RIM,
    SMALL,
    Targets,
    inner_borders,
    make_targets,
)


def targets_of(labels: NDArray[np.integer], background_weight: float = 1.0) -> Targets:
    """Targets where an object's cells are pixels of the frame."""
    sides = np.sqrt(np.bincount(np.maximum(labels, 0).ravel()))
    return make_targets(labels, sides, np.ones(labels.shape, bool), background_weight)


def square(side: int = 9, size: int = 15, at: int = 3) -> NDArray[np.int32]:
    labels = np.zeros((size, size), np.int32)
    labels[at : at + side, at : at + side] = 1
    return labels


def test_a_square() -> None:
    labels = square()
    found = targets_of(labels)
    inside = labels > 0
    assert (found.maps[FOREGROUND] == inside).all()
    ring = inside.copy()
    ring[4:11, 4:11] = False
    assert (found.maps[CONTOUR] == ring).all()
    # The distance to the border grows from 1 to 5 of 5 in the middle, and so does the interior.
    assert found.maps[INTERIOR][7, 3:12] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 0.8, 0.6, 0.4, 0.2]
    )
    assert found.maps[CENTRE][7, 7] == 1
    assert found.maps[CENTRE][7, 3] == pytest.approx(1 - 4 / (np.sqrt(32) + 1))
    assert found.maps[SIZE][inside] == pytest.approx(np.log2(9 / 16))
    assert (found.sized == inside).all()
    for each in found.maps:
        assert (each[~inside] == 0).all()


def test_touching_objects_have_a_border_between_them() -> None:
    labels = np.zeros((8, 12), np.int32)
    labels[2:6, 1:6], labels[2:6, 6:11] = 4, 9
    found = targets_of(labels)
    assert (found.maps[CONTOUR][2:6, 5:7] == 1).all()
    assert (found.maps[FOREGROUND][2:6, 1:11] == 1).all()
    # Each has a middle of its own.
    middles = np.argwhere(found.maps[CENTRE] == 1)
    assert sorted(labels[tuple(middles.T)]) == [4, 9]


def test_unknown_pixels_weigh_nothing() -> None:
    labels = square()
    labels[:, 12:] = -1
    found = targets_of(labels)
    assert (found.weights[:, 12:] == 0).all()
    assert (found.weights[:, :12] > 0).all()
    assert (found.maps[FOREGROUND][:, 12:] == 0).all()


def test_pixels_beyond_the_image_weigh_nothing() -> None:
    labels = square()
    known = np.ones(labels.shape, bool)
    known[:5] = False
    found = make_targets(labels, np.array([0.0, 9.0]), known)
    assert (found.weights[:5] == 0).all()
    assert (found.weights[5:] > 0).all()


def test_an_object_that_is_cut_has_the_size_of_the_whole() -> None:
    labels = square()[:, 7:]
    found = make_targets(labels, np.array([0.0, 9.0]), np.ones(labels.shape, bool))
    assert found.maps[SIZE][labels > 0] == pytest.approx(np.log2(9 / 16))
    # The edge of the array is no border of the object.
    assert (found.maps[CONTOUR][4:11, 0] == 0).all()
    assert found.maps[INTERIOR][7, 0] == 1


def test_an_object_of_unknown_size_teaches_no_size() -> None:
    labels = square()
    found = make_targets(labels, np.array([0.0, np.nan]), np.ones(labels.shape, bool))
    assert not found.sized.any()
    assert (found.maps[SIZE] == 0).all()


def test_an_object_of_one_pixel() -> None:
    labels = np.zeros((5, 5), np.int32)
    labels[2, 2] = 3
    found = targets_of(labels)
    for each in (FOREGROUND, CONTOUR, INTERIOR, CENTRE):
        assert found.maps[each][2, 2] == 1
        assert found.maps[each].sum() == 1
    assert found.maps[SIZE][2, 2] == -4
    assert found.weights[2, 2] == MOST_WEIGHT


def test_pixels_of_small_objects_weigh_more() -> None:
    labels = np.zeros((60, 60), np.int32)
    labels[:12, :12], labels[20:56, 20:56] = 1, 2
    found = targets_of(labels)
    assert found.weights[0, 0] == pytest.approx(SMALL / 12)
    assert found.weights[30, 30] == 1
    assert found.weights[0, 50] == 1


def test_the_background_around_a_small_object_weighs_as_much() -> None:
    """The outline is where both sides are as likely, and not farther out."""
    labels = np.zeros((40, 40), np.int32)
    labels[14:26, 14:26] = 1
    weights = targets_of(labels).weights
    assert weights[20, 13 - RIM + 1 : 26 + RIM] == pytest.approx(SMALL / 12)
    assert (weights[20, : 13 - RIM + 1] == 1).all()
    assert (weights[20, 26 + RIM :] == 1).all()


@pytest.mark.parametrize("value", [0, -1])
def test_without_objects(value: int) -> None:
    found = targets_of(np.full((6, 7), value, np.int32))
    assert found.maps.shape == (5, 6, 7)
    assert not found.maps.any()
    assert not found.sized.any()
    assert (found.weights == (value == 0)).all()


def test_background_weighs_less_where_labels_are_incomplete() -> None:
    labels = square()
    labels[0] = -1
    all_weights, fewer = targets_of(labels).weights, targets_of(labels, 0.3).weights
    assert fewer[labels == 0] == pytest.approx(0.3 * all_weights[labels == 0])
    assert (fewer[labels != 0] == all_weights[labels != 0]).all()


LABELS = hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)).map(
    lambda each: each % 5 - 1
)


@given(LABELS)
def test_borders_are_those_of_a_plain_search(labels: NDArray[np.int32]) -> None:
    height, width = labels.shape
    expected = np.zeros(labels.shape, bool)
    for row, col in np.ndindex(height, width):
        for r, c in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if 0 <= r < height and 0 <= c < width and labels[r, c] != labels[row, col]:
                expected[row, col] |= labels[row, col] > 0
    assert (inner_borders(labels) == expected).all()


@given(LABELS, st.permutations([1, 2, 3]))
def test_ids_mean_nothing(labels: NDArray[np.int32], ids: list[int]) -> None:
    renamed = np.array([0, *(7 * each for each in ids), -1])[labels]
    found, again = targets_of(labels), targets_of(renamed)
    assert found.maps == pytest.approx(again.maps)
    assert (found.weights == again.weights).all()
    assert np.isfinite(found.maps).all()
    bounded = found.maps[[FOREGROUND, CONTOUR, INTERIOR, CENTRE]]
    assert (bounded >= 0).all()
    assert (bounded <= 1).all()
