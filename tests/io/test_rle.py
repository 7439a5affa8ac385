"""Run lengths of masks, against those that pycocotools makes of whole planes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as codec

from napari_segany.core.masks import MaskSet
from napari_segany.io.rle import encode_masks


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_masks_are_encoded_as_whole_planes_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = np.zeros((5, *rng.integers(1, 30, 2)), bool)
    # The last one stays empty.
    for mask in masks[:4]:
        y, x, h, w = rng.integers(0, masks.shape[1:], (2, 2)).ravel()
        mask[y : y + h + 1, x : x + w + 1] = rng.random() < 0.5
        mask ^= rng.random(mask.shape) < rng.choice([0, 0, 0.3, 1])
    found = encode_masks(MaskSet.from_masks(masks), range(5))
    for mask, each, score in zip(masks, found, range(5), strict=True):
        expected = codec.encode(np.asfortranarray(mask, np.uint8))
        assert (each.size, each.area, each.score) == (mask.shape, mask.sum(), score)
        assert each.counts == expected["counts"].decode()


def test_no_masks_and_true_objects() -> None:
    assert encode_masks(MaskSet.empty((4, 5))) == []
    assert encode_masks(MaskSet.from_masks(np.ones((1, 2, 3), bool)))[0].score == 1
