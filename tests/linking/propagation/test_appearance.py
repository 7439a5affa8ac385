import numpy as np
import pytest
from tests.linking.propagation.bright import BrightModel

from napari_segany import MaskSet
from napari_segany.linking.propagation.appearance import Appearance, Contrast, PlaneView

RNG = np.random.default_rng(1)


def test_likeness_goes_from_the_surroundings_to_the_object() -> None:
    inside, outside = RNG.normal(5, 1, (400, 2)), RNG.normal(2, 1, (400, 2))
    contrast = Contrast.between(inside, outside)
    assert contrast.tells
    assert contrast.likeness(RNG.normal(5, 1, (400, 2))) > 0.9
    assert contrast.likeness(RNG.normal(2, 1, (400, 2))) < 0.1
    half = np.concatenate([inside[:200], outside[:200]])
    assert contrast.likeness(half) == pytest.approx(0.5, abs=0.1)


def test_where_nothing_differs_nothing_is_told() -> None:
    same = RNG.normal(0, 1, (500, 1))
    assert not Contrast.between(same, same[::-1]).tells
    assert not Contrast.between(same, np.zeros((0, 1))).tells


def test_an_object_is_known_by_its_looks_with_and_without_the_image() -> None:
    model = BrightModel()
    plane = np.full((40, 40), 20, np.uint8)
    plane[10:20, 10:20] = 200
    mask = MaskSet.from_masks((plane > 100)[None])
    ground = np.zeros((40, 40), bool)
    ground[25:32, 25:32] = True
    elsewhere = MaskSet.from_masks(ground[None])
    for image in (plane, None):
        view = PlaneView(model.embed(plane), image)
        crop = model.prepare(view.embedding)
        looks = Appearance.of(mask, view, crop)
        inside, outside = (
            crop.features_at(np.argwhere(plane > 100)),
            crop.features_at(np.argwhere(ground)),
        )
        assert looks.similarity(mask, inside, view) == 1
        assert looks.similarity(elsewhere, outside, view) == 0


def test_an_object_that_fills_the_plane_is_like_everything() -> None:
    model = BrightModel()
    plane = np.full((20, 20), 200, np.uint8)
    mask = MaskSet.from_masks((plane > 0)[None])
    view = PlaneView(model.embed(plane), plane)
    crop = model.prepare(view.embedding)
    looks = Appearance.of(mask, view, crop)
    assert looks.similarity(mask, crop.features_at(np.argwhere(plane > 0)), view) == 1
