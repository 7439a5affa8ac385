"""Average precision and recall, against cases computed by hand."""

import numpy as np
import pytest

from napari_segany import MaskSet
from napari_segany.evaluation.detection_metrics import DetectionScorer, encode_best, pack_objects
from napari_segany.io.rle import encode_masks


def discs(*columns: int, side: int = 40) -> np.ndarray:
    masks = np.zeros((len(columns), 200, 200), bool)
    for mask, col in zip(masks, columns, strict=True):
        mask[10 : 10 + side, col : col + side] = True
    return masks


def collected(found: np.ndarray, scores: list[float], truth: np.ndarray) -> DetectionScorer:
    detections = DetectionScorer()
    masks = MaskSet.from_masks(found, scores)
    detections.add(encode_best(masks, masks.predicted_iou), encode_masks(MaskSet.from_masks(truth)))
    return detections


def test_all_found_and_none_found():
    truth = discs(0, 50, 100)
    scores = collected(truth, [0.9, 0.8, 0.7], truth).score()
    assert scores["AP"] == scores["AP50"] == scores["AR@10"] == scores["AR@1000"] == 1
    # 40 x 40 pixels are medium.
    assert scores["AR@1000 medium"] == 1
    assert np.isnan(scores["AR@1000 small"])
    nothing = collected(np.zeros((0, 200, 200), bool), [], truth).score()
    assert nothing["AP"] == nothing["AR@100"] == 0


def test_precision_and_recall_by_hand():
    truth = discs(0, 50)
    # The best is right, the second is nothing, the third is right.
    found = np.concatenate([discs(0), discs(150), discs(50)])
    detections = collected(found, [0.9, 0.8, 0.7], truth)
    recall, precision = detections.curve()
    assert recall.tolist() == [0.5, 0.5, 1]
    assert precision == pytest.approx([1, 0.5, 2 / 3])
    # Interpolated at 101 recalls: 1 up to one half, then two thirds.
    assert detections.score()["AP50"] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101, abs=1e-6)


def test_recall_over_thresholds():
    truth = discs(0)
    # Shifted by 8 of 40 columns: an IoU of 32 / 48, so right at 0.5, 0.55, 0.6 and 0.65.
    scores = collected(discs(8), [0.9], truth).score()
    assert scores["AR@10"] == pytest.approx(0.4)


def test_only_the_best_ten_count():
    truth = discs(0)
    found = np.concatenate([discs(*range(60, 115, 5)), truth])
    scores = collected(found, np.linspace(1, 0.1, len(found)).tolist(), truth).score()
    assert (scores["AR@10"], scores["AR@100"]) == (0, 1)


def test_masks_of_labels():
    labels = np.array([[0, 3, 3], [5, 0, 3]])
    assert pack_objects(labels).area.tolist() == [3, 1]


def test_what_is_found_where_nothing_is_counts_as_false():
    square = np.zeros((40, 40), bool)
    square[5:20, 5:20] = True
    collected = DetectionScorer()
    collected.add(
        encode_masks(MaskSet.from_masks([square]), [0.5]),
        encode_masks(MaskSet.from_masks([square])),
    )
    assert collected.score()["AP"] == pytest.approx(1)
    for _ in range(9):
        collected.add(encode_masks(MaskSet.from_masks([square]), [0.9]), [])
    collected.add([], [])
    scores = collected.score()
    # The right one comes last of ten.
    assert scores["AP"] == pytest.approx(0.1)
    assert scores["AR@10"] == 1
    assert collected.images == 10
    recall, precision = collected.curve()
    assert (recall[-1], precision[-1]) == (1, 0.1)


def test_sizes_without_objects_have_no_score_even_if_nothing_was_found():
    square = np.zeros((40, 40), bool)
    square[5:20, 5:20] = True
    collected = DetectionScorer()
    collected.add([], encode_masks(MaskSet.from_masks([square])))
    scores = collected.score()
    assert scores["AP"] == scores["AR@10 small"] == 0
    assert np.isnan(scores["AR@10 medium"])
