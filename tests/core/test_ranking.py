import numpy as np
import pytest

from napari_segany.core.masks import MaskSet
from napari_segany.core.ranking import rank
from napari_segany.errors import InputError


def candidates(*fractions: float, iou: list[float]) -> MaskSet:
    masks = np.zeros((len(fractions), 10, 20), bool)
    for mask, fraction in zip(masks, fractions, strict=True):
        mask.ravel()[: int(fraction * mask.size)] = True
    return MaskSet.from_masks(masks, predicted_iou=iou)


def test_best_predicted_first() -> None:
    three = candidates(0.1, 0.2, 0.3, iou=[0.5, 0.9, 0.7])
    assert rank(three).tolist() == [1, 2, 0]
    assert rank(three, "predicted_iou").tolist() == [1, 2, 0]


def test_readings_of_more_than_half_the_plane_come_last() -> None:
    three = candidates(0.9, 0.5, 0.6, iou=[1.01, 0.4, 0.8])
    assert rank(three).tolist() == [1, 0, 2]
    assert rank(three, "predicted_iou").tolist() == [0, 2, 1]


def test_equal_scores_keep_the_models_order() -> None:
    assert rank(candidates(0.1, 0.1, 0.1, iou=[0.8, 0.8, 0.8])).tolist() == [0, 1, 2]


def test_an_unknown_ranking_is_told() -> None:
    with pytest.raises(InputError, match="plausible, predicted_iou, decoder, got 'best'"):
        rank(candidates(0.1, iou=[1.0]), "best")  # type: ignore[arg-type]
