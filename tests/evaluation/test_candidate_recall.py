"""Outcomes of true objects, against masks compared pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segany.core.masks import MaskSet
from napari_segany.evaluation.candidate_recall import (
    OUTCOMES,
    best_candidate_iou,
    classify_outcomes,
    mean_candidate_scores,
    pack_objects,
    score_candidates,
)
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances


def random_plane(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels with gaps, some of them negative or in several parts, and overlapping masks."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((30, 37), np.int64)
    masks = np.zeros((rng.integers(0, 12), *truth.shape), bool)
    for value in rng.choice([-1, 3, 4, 9, 10**9, 12], rng.integers(0, 9)):
        y, x, h, w = rng.integers(0, 28), rng.integers(0, 35), *rng.integers(1, 14, 2)
        truth[y : y + h, x : x + w] = value
    for mask in masks:
        y, x, h, w = rng.integers(0, 28), rng.integers(0, 35), *rng.integers(0, 14, 2)
        mask[y : y + h, x : x + w] = True
        mask &= rng.random(mask.shape) < rng.choice([0.7, 1])
    return truth, masks


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_best_iou_is_that_of_all_pairs(seed: int) -> None:
    truth, masks = random_plane(seed)
    objects = [truth == value for value in np.unique(truth[truth > 0])]
    expected = [
        max(((mask & one).sum() / (mask | one).sum() for mask in masks), default=0.0)
        for one in objects
    ]
    found = best_candidate_iou(truth, MaskSet.from_masks(masks))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    packed = pack_objects(truth)
    assert [packed.mask(i).tolist() for i in range(len(packed))] == [o.tolist() for o in objects]


def test_each_object_has_one_outcome_and_shares_make_one() -> None:
    truth = np.zeros((20, 40), int)
    truth[2:8, 2:8], truth[2:8, 12:18], truth[2:8, 22:28], truth[12:18, 2:8] = 5, 6, 7, 8
    masks = np.zeros((3, 20, 40), bool)
    masks[0, 2:8, 2:8] = True
    # Half of 6 exactly is enough; less than half of 7 is not.
    masks[1, 2:8, 12:15] = True
    masks[2, 2:8, 22:24] = True
    labels = np.zeros_like(truth)
    labels[masks[0]] = 1
    # 8 has no candidate; an object of the labels fits it nevertheless.
    labels[truth == 8] = 2
    overlaps = ObjectOverlaps.from_labels(truth, labels)
    found = classify_outcomes(truth, overlaps, MaskSet.from_masks(masks))
    names = [list(OUTCOMES)[at] for at in found.outcome]
    assert names == ["matched", "lost", "never proposed", "matched"]
    assert found.truth_ids.tolist() == [5, 6, 7, 8]
    assert found.iou.tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(found.candidate_iou, [1, 0.5, 1 / 3, 0])
    scores = score_candidates(found)
    assert (scores.truth, scores.candidates) == (4, 3)
    assert (scores.recall, scores.lost, scores.never_proposed) == (0.5, 0.25, 0.25)
    assert scores.mean_iou == pytest.approx((1 + 0.5 + 1 / 3) / 4)
    assert score_instances(overlaps).recall + scores.lost + scores.never_proposed == 1


def test_planes_without_objects_say_nothing_about_candidates() -> None:
    empty = np.zeros((5, 6), int)
    masks = MaskSet.from_masks(np.ones((1, 5, 6), bool))
    nothing = score_candidates(
        classify_outcomes(empty, ObjectOverlaps.from_labels(empty, empty), masks)
    )
    whole = score_candidates(
        classify_outcomes(empty + 1, ObjectOverlaps.from_labels(empty + 1, empty), masks)
    )
    assert mean_candidate_scores([nothing, whole]) == {
        "candidate recall": 1,
        "candidate mean IoU": 1,
        "proposed but lost": 1,
        "never proposed": 0,
    }
    assert np.isnan(list(mean_candidate_scores([nothing]).values())).all()
