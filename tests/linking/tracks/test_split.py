"""Tests of splits by the masks of two prompts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.linking.tracks.cells import mask_of, square

from napari_segany import MaskSet
from napari_segany.errors import InputError
from napari_segany.linking.tracks.split import split_mask
from napari_segany.linking.tracks.track_edit import FrameMask

SHAPE = (30, 40)
TWO = square(5, 5, 8) | square(5, 12, 8)
POINTS = ((8.0, 7.0), (8.0, 17.0))


def masks(*each: frozenset[tuple[int, int]]) -> MaskSet:
    """Candidates with these pixels."""
    full = np.zeros((len(each), *SHAPE), bool)
    for image, pixels in zip(full, each, strict=True):
        for row, col in pixels:
            image[row, col] = True
    return MaskSet.from_masks(full)


def pixels(mask: FrameMask) -> set[tuple[int, int]]:
    return {tuple(at) for at in (np.argwhere(mask.pixels) + mask.start).tolist()}


def test_each_part_is_what_only_its_mask_covers() -> None:
    one, two = split_mask(mask_of(TWO), POINTS, (masks(square(5, 5, 8)), masks(square(5, 12, 8))))
    assert square(5, 5, 7) <= pixels(one) | square(5, 12, 1)
    assert pixels(one) | pixels(two) == TWO
    assert not pixels(one) & pixels(two)
    assert max(col for _, col in pixels(one)) <= 12


def test_the_pair_of_candidates_with_most_own_pixels_is_taken() -> None:
    every = masks(TWO, square(5, 5, 8))
    one, _ = split_mask(mask_of(TWO), POINTS, (every, masks(TWO, TWO - square(5, 5, 8))))
    assert pixels(one) == square(5, 5, 8)


def test_masks_without_a_difference_are_divided_by_distance() -> None:
    one, two = split_mask(mask_of(TWO), POINTS, (masks(TWO), masks(TWO)))
    assert {col <= 12 for _, col in pixels(one)} == {True}
    assert {col > 12 for _, col in pixels(two)} == {True}


@given(st.data())
def test_no_pixel_is_lost_or_added(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 999))
    random = np.random.default_rng(seed)
    whole = random.random((9, 9)) < 0.8
    spots = np.argwhere(whole)
    first, last = spots[0], spots[-1]
    mask = FrameMask((3, 4), whole)
    points = tuple((float(r + 3), float(c + 4)) for r, c in (first, last))
    guesses = [MaskSet.from_masks(random.random((2, *SHAPE)) < 0.5) for _ in range(2)]
    one, two = split_mask(mask, (points[0], points[1]), (guesses[0], guesses[1]))
    assert pixels(one) | pixels(two) == pixels(mask)
    assert not pixels(one) & pixels(two)
    assert (int(first[0]) + 3, int(first[1]) + 4) in pixels(one)
    assert (int(last[0]) + 3, int(last[1]) + 4) in pixels(two)


@pytest.mark.parametrize(
    ("points", "message"),
    [(((8, 7), (28, 7)), "on the object"), (((8, 7), (8.2, 7.1)), "same pixel")],
)
def test_points_must_be_on_two_parts(points: tuple, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=message):
        split_mask(mask_of(TWO), points, (masks(TWO), masks(TWO)))
