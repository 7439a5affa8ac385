"""Mirror images: pixels, prompts and cells of a plane go there and back."""

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_segany import MaskSet, Prompt
from napari_segany.core.geometry import Frame, PlaneFrame, SquashedFrame
from napari_segany.core.plane_flips import FLIPS, Flip

FRAME = Frame((30, 40), 64)


@pytest.mark.parametrize("flip", FLIPS)
def test_pixels_are_found_at_the_places_of_points(flip: Flip) -> None:
    plane = np.arange(30 * 40 * 3).reshape(30, 40, 3)
    points = [(0, 0), (29, 39), (3, 17)]
    moved = flip.prompt(Prompt(points=points), FRAME).points
    assert moved is not None
    rows, cols = moved.astype(int).T
    assert (flip.plane(plane)[rows, cols] == [plane[place] for place in points]).all()
    assert (flip.plane(flip.plane(plane)) == plane).all()


@pytest.mark.parametrize("flip", FLIPS)
def test_masks_have_the_box_of_their_prompt(flip: Flip) -> None:
    mask = np.zeros((30, 40), bool)
    mask[4:9, 20:31] = True
    mask[5, 31] = True
    prompt = Prompt(points=[(5, 22), (1, 1)], labels=[1, 0], box=(4, 20, 8, 31), mask=mask)
    moved = flip.prompt(prompt, FRAME)
    assert moved.mask is not None
    assert moved.box is not None
    assert (moved.mask == flip.plane(mask)).all()
    a, b, c, d = MaskSet.from_masks(flip.plane(mask)[None]).boxes[0]
    assert moved.box.tolist() == [a, b, c - 1, d - 1]
    assert moved.labels is not None
    assert moved.labels.tolist() == [1, 0]
    back = flip.prompt(moved, FRAME)
    assert back.box is not None
    assert back.box.tolist() == [4, 20, 8, 31]


def test_a_prompt_keeps_what_has_no_place() -> None:
    moved = FLIPS[0].prompt(Prompt(points=[(3, 4)], object_size=12), FRAME)
    assert moved.object_size == 12


def logits_of(plane: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    """Cells of a frame that hold the plane's pixels, at a whole number of pixels a cell."""
    cells = np.full((frame.mask_side, frame.mask_side), -9, np.float32)
    cells[: plane.shape[0], : plane.shape[1]] = plane
    return cells


@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize("frame", [Frame((12, 16), 64), Frame((16, 12), 64)])
def test_whole_cells_are_flipped_to_the_last_bit(flip: Flip, frame: Frame) -> None:
    plane = np.random.default_rng(0).normal(size=frame.shape).astype(np.float32)
    flipped = flip.cells(logits_of(plane, frame), frame, frame.mask_side)
    rows, cols = frame.shape
    assert flipped.dtype == np.float32
    assert np.array_equal(flipped[:rows, :cols], flip.plane(plane))


@pytest.mark.parametrize("frame", [Frame((30, 41), 64), SquashedFrame((30, 41), 64)])
@pytest.mark.parametrize("flip", FLIPS)
def test_a_slope_over_the_plane_turns_round(flip: Flip, frame: PlaneFrame) -> None:
    """What lies some way from one edge of the plane lies as far from the other, in any frame."""
    side = frame.mask_side
    height, width = frame.extent(side)
    rows, cols = np.meshgrid(*[(np.arange(side) + 0.5).astype(np.float32)] * 2, indexing="ij")
    for values, used, reverses in ((rows, height, flip.rows), (cols, width, flip.columns)):
        flipped = flip.cells(np.stack([values] * 2), frame, side)[1]
        expected = used - values if reverses else values
        inside = (slice(1, int(height) - 1), slice(1, int(width) - 1))
        assert flipped[inside] == pytest.approx(expected[inside], abs=1e-4)


def test_logits_of_a_prompt_are_flipped_with_it() -> None:
    frame = Frame((16, 16), 64)
    logits = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    for flip in FLIPS:
        moved = flip.prompt(Prompt(mask_logits=logits), frame).mask_logits
        assert np.array_equal(np.asarray(moved), flip.plane(logits))


@pytest.mark.parametrize("flip", FLIPS)
def test_logits_beyond_the_plane_stay(flip: Flip) -> None:
    """What touches the edge does not fill the padding, in which the model sees nothing."""
    frame = Frame((8, 16), 64)
    logits = np.full((16, 16), -5, np.float32)
    logits[0, 3] = logits[7, 3] = 4
    flipped = flip.logits(logits, frame)
    used, _ = frame.cells_used(16)
    assert used == 9
    assert (flipped[used:] == -5).all()
    assert np.array_equal(flipped[:8], flip.plane(logits[:8]))
    assert np.array_equal(flip.logits(flipped, frame)[:8], logits[:8])


@pytest.mark.parametrize("flip", FLIPS)
def test_a_box_that_begins_in_the_last_half_pixel_is_inside(flip: Flip) -> None:
    prompt = Prompt(box=(29.7, 20, 34, 39.8))
    prompt.check_inside(FRAME.shape)
    flip.prompt(prompt, FRAME).check_inside(FRAME.shape)
