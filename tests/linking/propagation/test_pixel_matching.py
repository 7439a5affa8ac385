"""Pixels of a plane that match those of an object on others."""

import numpy as np
import pytest
from tests.linking.planes import disc
from tests.linking.propagation.bright import BrightModel

from napari_segany import MaskSet
from napari_segany.errors import Cancelled
from napari_segany.linking.mask_geometry import mask_iou
from napari_segany.linking.propagation.appearance import Appearance, PlaneView
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.pixel_matching import (
    BLOCK,
    SIDE,
    KnownPixels,
    _largest,
    match_pixels,
)
from napari_segany.linking.propagation.step import Expectation, PlaneQuestion

MODEL = BrightModel()


def look(image):
    """A plane, and the same prepared for prompts."""
    view = PlaneView(MODEL.embed(image), image)
    return view, MODEL.prepare(view.embedding)


def as_image(*discs, light=200):
    """Discs on a dark plane with a little texture, so that no two places are the same."""
    rows, cols = np.mgrid[: discs[0].shape[0], : discs[0].shape[1]]
    image = 20 + (rows * 3 + cols * 5) % 7
    for each in discs:
        image = np.where(each, light + (rows * 2 + cols) % 5, image)
    return image.astype(np.uint8)


def as_mask(inside):
    return MaskSet.from_masks([inside])


@pytest.fixture(scope="module")
def known():
    before = disc(30, 40, 10)
    return (KnownPixels.of(as_mask(before), *look(as_image(before))),)


@pytest.mark.parametrize(("row", "col", "radius"), [(31, 42, 10), (33, 40, 10), (30, 40, 7)])
def test_a_moved_or_smaller_object_is_found_where_it_is(known, row, col, radius):
    before, now = disc(30, 40, 10), disc(row, col, radius)
    found = match_pixels(as_mask(before), known, *look(as_image(now)))
    assert found is not None
    assert mask_iou(found, as_mask(now)) > mask_iou(as_mask(before), as_mask(now)) + 0.1


def test_a_neighbour_that_looks_the_same_is_not_taken():
    """It was not the object on the plane before, and lies where it lay."""
    before, beside = disc(30, 30, 8), disc(30, 49, 8)
    image = as_image(before, beside)
    known = (KnownPixels.of(as_mask(before), *look(image)),)
    found = match_pixels(as_mask(before), known, *look(image))
    assert found is not None
    assert not (found.mask(0) & beside).any()
    assert mask_iou(found, as_mask(before)) > 0.9


def test_the_place_is_counted_from_the_object_centre(known):
    """A movie's object is expected elsewhere, and what is known of it goes there with it."""
    now = disc(30, 58, 10)
    found = match_pixels(as_mask(now), known, *look(as_image(now)))
    assert found is not None
    assert mask_iou(found, as_mask(now)) > 0.9


def test_nothing_matches_where_the_object_is_gone(known):
    dark = as_image(np.zeros_like(disc(30, 40, 10)))
    assert match_pixels(as_mask(disc(30, 40, 10)), known, *look(dark)) is None


def test_nothing_known_is_no_match():
    mask = as_mask(disc(30, 40, 10))
    assert match_pixels(mask, (), *look(as_image(mask.mask(0)))) is None


def test_colours_and_planes_without_an_image_are_compared(known):
    before = disc(30, 40, 10)
    colours = np.repeat(as_image(before)[..., None], 3, axis=2)
    view = PlaneView(MODEL.embed(as_image(before)), colours)
    prepared = MODEL.prepare(view.embedding)
    in_colour = (KnownPixels.of(as_mask(before), view, prepared),)
    found = match_pixels(as_mask(before), in_colour, view, prepared)
    assert found is not None
    assert mask_iou(found, as_mask(before)) > 0.9
    alone = PlaneView(view.embedding)
    known_alone = (KnownPixels.of(as_mask(before), alone, prepared),)
    assert len(known_alone[0].features) == 1
    found = match_pixels(as_mask(before), known_alone, alone, prepared)
    assert found is not None
    assert mask_iou(found, as_mask(before)) > 0.9


def test_large_objects_are_compared_on_a_coarser_grid():
    rows, cols = np.indices((300, 300))
    before, now = (np.hypot(rows - n, cols - 150) <= 90 for n in (150, 165))
    known = (KnownPixels.of(as_mask(before), *look(as_image(before))),)
    assert len(known[0].places) <= SIDE**2
    found = match_pixels(as_mask(before), known, *look(as_image(now)))
    assert found is not None
    assert mask_iou(found, as_mask(now)) > 0.9 > mask_iou(as_mask(before), as_mask(now))


@pytest.mark.parametrize("width", [5, 200, 16 * BLOCK, 17 * BLOCK, 777])
def test_the_largest_values_are_those_of_a_full_sort(width):
    values = np.random.default_rng(0).normal(size=(50, width)).astype(np.float32)
    best = _largest(values, 16)
    assert (np.diff(best, axis=1) > 0).all()
    assert (best == np.sort(np.argsort(-values, axis=1)[:, :16], axis=1)).all()


def test_stopping_is_asked_for_between_objects_that_are_matched(known):
    """Twenty objects take a second to match: one that waits for all of them would seem to hang."""
    before = disc(30, 40, 10)
    view, prepared = look(as_image(before))
    mask = as_mask(before)
    one = Expectation(mask, Appearance.of(mask, view, prepared), int(mask.area[0]), known=known)
    model, polled = BrightModel(), []

    def should_stop():
        polled.append(len(polled))
        return len(polled) == 3

    question = PlaneQuestion(model, view, PropagationParams(), should_stop=should_stop)
    with pytest.raises(Cancelled):
        question.ask([one] * 20)
    assert model.calls == 0
