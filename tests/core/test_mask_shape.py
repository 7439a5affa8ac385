from typing import Any

import numpy as np
import pytest
from skimage.draw import disk
from skimage.measure import regionprops

from napari_segany.core.mask_shape import Solidities, solidity, touches_border
from napari_segany.core.masks import MaskSet


def drawn(*parts: Any) -> Any:
    mask = np.zeros((40, 50), bool)
    for part in parts:
        mask[part] = True
    return mask


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (drawn((slice(3, 9), slice(4, 20))), 1),
        (drawn((5, 5)), 1),
        (drawn((5, slice(0, 50))), 1),
        (drawn(), 1),
        # An L of three squares in a hull of three and a half.
        (drawn((slice(0, 20), slice(0, 10)), (slice(10, 20), slice(10, 20))), 3 / 3.5),
    ],
)
def test_solidity_is_that_of_pixels_as_squares(mask: Any, wanted: float) -> None:
    assert solidity(mask) == pytest.approx(wanted)


def test_solidity_is_near_that_of_scikit_image() -> None:
    mask = drawn(disk((20, 20), 15)) & ~drawn(disk((20, 34), 9))
    (region,) = regionprops(mask.astype(int))
    assert solidity(mask) == pytest.approx(region.solidity, abs=0.02)


def test_each_solidity_is_computed_once(monkeypatch: Any) -> None:
    masks = MaskSet.from_masks(np.stack([drawn((5, 5)), drawn((slice(3, 9), slice(4, 20)))]))
    known = Solidities(masks)
    assert known.of(np.array([1])).tolist() == [1]
    monkeypatch.setattr("napari_segany.core.mask_shape.solidity", lambda _: 0.5)
    assert known.of(np.array([1, 0])).tolist() == [1, 0.5]


def test_masks_at_the_border() -> None:
    parts = [(5, 5), (0, 5), (5, 49), (39, 20), (38, 48)]
    masks = MaskSet.from_masks(np.stack([*(drawn(part) for part in parts), drawn()]))
    wanted = [False, True, True, True, False, False]
    assert touches_border(masks.boxes, masks.shape).tolist() == wanted
