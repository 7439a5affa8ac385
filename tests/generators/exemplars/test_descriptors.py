"""Descriptors of masks: pixels inside and around, shapes, and features that belong to the place."""

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_segany import MaskSet, SamModel
from napari_segany.generators.exemplars.descriptors import (
    Descriptors,
    describe_masks,
    measure_shape,
    sample_around,
    sample_inside,
)


def disc(radius: int) -> NDArray[np.bool_]:
    rows, cols = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    inside: NDArray[np.bool_] = rows**2 + cols**2 <= radius**2
    return inside


@pytest.mark.parametrize("radius", [1, 4, 20, 60])
def test_pixels_inside_lie_inside_and_are_enough(radius: int) -> None:
    mask = disc(radius)
    at = sample_inside(mask, 48)
    assert mask[at[:, 0], at[:, 1]].all()
    assert min(mask.sum(), 48) / 4 <= len(at) <= 4 * 48 + 4


def test_thin_masks_have_pixels() -> None:
    mask = np.zeros((200, 200), bool)
    mask[np.arange(200), np.arange(200)] = True
    at = sample_inside(mask, 10)
    assert len(at) >= 3
    assert mask[at[:, 0], at[:, 1]].all()


def test_pixels_around_lie_outside_in_the_plane() -> None:
    mask, box = disc(10), np.array([0, 3, 21, 24])
    at = sample_around(mask, box, (30, 26))
    assert ((at >= 0) & (at < (30, 26))).all()
    full = np.zeros((30, 26), bool)
    full[0:21, 3:24] = mask
    assert not full[at[:, 0], at[:, 1]].any()
    # Nothing is around a mask that fills its plane.
    whole = sample_around(np.ones((9, 9), bool), np.array([0, 0, 9, 9]), (9, 9))
    assert len(whole)


def test_shapes_of_discs_and_bars() -> None:
    elongation, filling = measure_shape(disc(20))
    assert abs(elongation) < 0.05
    assert abs(filling) < 0.05
    elongation, filling = measure_shape(np.ones((8, 32), bool))
    assert elongation == pytest.approx(2, abs=0.1)
    hollow = disc(20)
    hollow[10:31, 10:31] &= ~disc(10)
    assert measure_shape(hollow)[1] < filling
    assert np.isfinite(measure_shape(np.ones((1, 1), bool))).all()


def test_masks_alone_and_together_are_described_alike(tiny_model: SamModel) -> None:
    plane = np.random.default_rng(0).integers(0, 255, (50, 64, 3)).astype(np.uint8)
    embedding = tiny_model.embed(plane, stages=True)
    full = np.zeros((3, 50, 64), bool)
    full[0, 2:20, 3:30] = full[1, 30:31, 40:41] = full[2, 5:50, 20:64] = True
    masks = MaskSet.from_masks(full)
    both = describe_masks(tiny_model, embedding, plane, masks)
    alone = Descriptors.join(
        [describe_masks(tiny_model, embedding, plane, masks[i]) for i in range(3)]
    )
    for name, values in vars(both).items():
        np.testing.assert_array_equal(values, getattr(alone, name), name)
    channels = 256 + sum(each.shape[0] for each in embedding.stages)
    assert both.inside.shape == both.around.shape == (3, channels)
    np.testing.assert_allclose(
        both.colour[0, :3], plane[2:20, 3:30].mean(axis=(0, 1)) / 255, atol=0.1
    )
    assert len(describe_masks(tiny_model, embedding, plane, masks[:0])) == 0
    # Without stages the embedding alone.
    bare = describe_masks(tiny_model, embedding.without_stages(), plane, masks)
    np.testing.assert_array_equal(bare.inside, both.inside[:, :256])
