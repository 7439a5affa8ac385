"""Linking of mask sets from Python."""

from typing import Any

import numpy as np
import pytest
from tests.linking.planes import disc

import napari_segany as sa
from napari_segany.errors import InputError


def test_masks_of_planes_become_a_volume():
    sets = [sa.MaskSet.from_masks([disc(20, 20 + n, 8), disc(36, 50, 5)]) for n in range(3)]
    volume = sa.link_masks(sets, sa.LinkParams(max_gap=0))
    assert isinstance(volume, sa.LinkedVolume)
    labels = volume.labels()
    assert volume.count == 2
    assert all((labels[n][disc(20, 20 + n, 8)] == 1).all() for n in range(3))
    assert volume.filter(min_volume=300).count == 1


def test_an_object_of_one_plane_is_kept_whatever_its_score():
    """Masks of one's own have one score, which is the lowest and so the threshold."""
    small, large = disc(8, 8, 1.5), disc(36, 50, 12)
    sets = [sa.MaskSet.from_masks([large, small]), *[sa.MaskSet.from_masks([large])] * 2]
    labels = sa.link_masks(sets).labels()
    assert len(np.unique(labels[labels > 0])) == 2
    assert labels[0][small].all()
    assert sa.link_masks(sets).filter(min_planes=2).count == 1


def test_small_masks_are_left_out():
    sets = [sa.MaskSet.from_masks([disc(20, 20, 8), disc(36, 50, 2)])] * 2
    assert sa.link_masks(sets, min_area=50).count == 1


def test_planes_of_several_sizes_are_refused():
    sets = [sa.MaskSet.empty((4, 5)), sa.MaskSet.empty((4, 6))]
    with pytest.raises(InputError, match="4 x 5 and 4 x 6"):
        sa.link_masks(sets)
    with pytest.raises(InputError, match="none"):
        sa.link_masks([])


def test_masks_of_a_real_search(tiny_model: sa.SamModel):
    """The candidates that a generator kept take part."""
    image = np.random.default_rng(0).integers(0, 255, (32, 40)).astype(np.uint8)
    every: Any = {"pred_iou_thresh": 0, "stability_score_thresh": 0, "max_area_fraction": 1}
    masks = sa.generate_masks(tiny_model, image, sa.AutomaticParams(points_per_side=3, **every))
    assert 0 < len(masks) < len(masks.all_candidates)
    volume = sa.link_masks([masks] * 3)
    # Planes that are the same are not changed.
    first, second, third = volume.labels()
    assert np.array_equal(first, second)
    assert np.array_equal(second, third)
    assert first.any()
