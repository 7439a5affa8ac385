"""Scores of labels against cases computed by hand, and against scikit-image."""

import numpy as np
import pytest
from skimage.metrics import contingency_table

from napari_segany.errors import InputError
from napari_segany.evaluation.contingency import ContingencyTable
from napari_segany.evaluation.instance_metrics import (
    ERROR_KINDS,
    ObjectOverlaps,
    classify_errors,
    mean_scores,
    score_instances,
)


def squares(*placed: tuple[int, int, int, int, int]) -> np.ndarray:
    """Labels from label, row, column, height and width."""
    labels = np.zeros((40, 60), np.int32)
    for label, row, col, height, width in placed:
        labels[row : row + height, col : col + width] = label
    return labels


def told(comparison: ObjectOverlaps) -> list[tuple[str, int, int, float]]:
    found, names = classify_errors(comparison), list(ERROR_KINDS)
    kinds = [names[kind] for kind in found.kind.tolist()]
    columns = found.truth_ids.tolist(), found.found_ids.tolist(), found.iou.tolist()
    return list(zip(kinds, *columns, strict=True))


def test_overlaps_are_those_of_scikit_image():
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 5, (2, 30, 40))
    compared = ObjectOverlaps.from_labels(truth, found)
    table = contingency_table(truth, found).toarray()
    for (i, j), shared, overlap in zip(compared.pairs, compared.shared, compared.iou, strict=True):
        t, f = compared.truth_ids[i], compared.found_ids[j]
        assert shared == table[t, f]
        assert overlap == pytest.approx(table[t, f] / (table[t].sum() + table[:, f].sum() - shared))


def test_scores_by_hand():
    # Found: one exactly, one with an IoU of 60 / 100, one that is nothing; missed: one.
    truth = squares((1, 0, 0, 10, 10), (2, 20, 0, 10, 10), (3, 20, 30, 10, 10))
    found = squares((7, 0, 0, 10, 10), (8, 20, 0, 6, 10), (9, 0, 40, 5, 5))
    scores = score_instances(ObjectOverlaps.from_labels(truth, found))
    assert (scores.truth, scores.found) == (3, 3)
    # 2 of 3 up to 0.6, then 1 of 3.
    assert scores.true_positives == (2, 2, 2, 1, 1, 1, 1, 1, 1, 1)
    assert scores.sa50 == pytest.approx(2 / 4)
    assert scores.msa == pytest.approx((3 * 2 / 4 + 7 * 1 / 5) / 10)
    assert scores.f1 == pytest.approx(4 / 6)
    assert (scores.precision, scores.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert scores.panoptic_quality == pytest.approx(1.6 / 3)
    assert scores.mean_iou == pytest.approx(1.6 / 3)


def test_nothing_to_find_and_nothing_found():
    empty, something = squares(), squares((1, 0, 0, 9, 9))
    assert score_instances(ObjectOverlaps.from_labels(empty, empty)).msa == 1
    for truth, found in ((empty, something), (something, empty)):
        scores = score_instances(ObjectOverlaps.from_labels(truth, found))
        assert (scores.msa, scores.f1, scores.panoptic_quality) == (0, 0, 0)


def test_at_one_half_as_many_as_can_be_are_matched():
    # Two true halves, each exactly half of what was found over both, and one found beside.
    truth = squares((1, 0, 0, 10, 10), (2, 0, 10, 10, 10))
    found = squares((5, 0, 0, 10, 20))
    assert len(ObjectOverlaps.from_labels(truth, found).match(0.5)) == 1
    found = squares((5, 0, 0, 10, 10), (6, 0, 10, 10, 10))
    assert len(ObjectOverlaps.from_labels(truth, found).match(0.95)) == 2


def test_what_became_of_each_object():
    truth = squares(
        (1, 0, 0, 10, 10),  # correct
        (2, 0, 20, 10, 20),  # split
        (3, 20, 0, 10, 10),  # merged with 4
        (4, 20, 10, 10, 10),
        (5, 20, 30, 10, 10),  # missed
        (6, 0, 50, 10, 10),  # inexact
    )
    found = squares(
        (11, 0, 0, 10, 10),
        (12, 0, 20, 10, 9),
        (13, 0, 31, 10, 9),
        (14, 20, 0, 10, 21),
        (15, 35, 50, 5, 5),
        (16, 0, 50, 4, 10),
    )
    kinds = {t or -f: kind for kind, t, f, _ in told(ObjectOverlaps.from_labels(truth, found))}
    assert kinds == {
        **{1: "correct", 2: "split", 3: "merged", 4: "merged", 5: "missed", 6: "inexact"},
        -15: "false",
    }
    assert set(kinds.values()) == set(ERROR_KINDS)


def test_each_object_is_told_with_what_fits_it_best():
    truth = squares((1, 0, 0, 10, 20), (2, 20, 0, 10, 10))
    # Of 200 pixels 70 and 90 are found; beside the match a second object touches the other one.
    found = squares((5, 0, 0, 10, 7), (6, 0, 11, 10, 9), (7, 20, 0, 10, 8), (8, 20, 8, 10, 9))
    assert told(ObjectOverlaps.from_labels(truth, found)) == [
        ("split", 1, 6, 0.45),
        ("correct", 2, 7, 0.8),
        ("false", 0, 8, 20 / 170),
    ]


def test_the_partner_of_a_match_is_the_matched_one():
    # Both halves have an IoU of one half with it; only one of them is matched.
    truth, found = squares((1, 0, 0, 10, 10)), squares((5, 0, 0, 5, 10), (6, 5, 0, 5, 10))
    compared = ObjectOverlaps.from_labels(truth, found)
    ((kind, _, partner, _), *_) = told(compared)
    assert kind == "correct"
    assert partner == compared.found_ids[compared.pairs[compared.match(0.5)[0], 1]]


def test_shapes_must_agree():
    with pytest.raises(InputError, match="cannot be compared"):
        ObjectOverlaps.from_labels(np.zeros((3, 4), int), np.zeros((4, 3), int))


def test_large_labels_are_counted_as_small_ones():
    rng = np.random.default_rng(1)
    small = rng.integers(0, 6, (2, 30, 40))
    large = np.where(small > 0, small * 1_000_003, 0)
    one, other = (ObjectOverlaps.from_labels(*pair) for pair in (small, large))
    assert other.truth_ids.tolist() == (one.truth_ids * 1_000_003).tolist()
    for name in ("truth_area", "found_area", "pairs", "shared"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_parts_of_an_image_count_as_the_whole():
    rng = np.random.default_rng(2)
    truth, found = rng.integers(-1, 9, (2, 30, 40))
    whole = ContingencyTable.from_labels(truth, found)
    parts = [
        ContingencyTable.from_labels(truth[r : r + 7], found[r : r + 7], r) for r in range(0, 30, 7)
    ]
    both = ContingencyTable.concatenate(parts)
    one = ObjectOverlaps.from_labels(truth, found)
    other = ObjectOverlaps.from_pairs(both.labels, both.pixels)
    for name in ("truth_ids", "found_ids", "truth_area", "found_area", "pairs", "shared"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for side, labels in enumerate((truth, found)):
        ids, pixels, centres = both.centroids(side)
        assert ids.tolist() == list(range(1, 9))
        assert pixels.tolist() == [np.count_nonzero(labels == n) for n in ids]
        expected = [np.argwhere(labels == n).mean(axis=0) for n in ids]
        np.testing.assert_allclose(centres, expected)
        np.testing.assert_allclose(centres, whole.centroids(side)[2])
    assert ContingencyTable.concatenate([]).centroids(0)[0].tolist() == []


def test_planes_with_nothing_in_them_do_not_raise_the_mean():
    empty, something = squares(), squares((1, 0, 0, 9, 9), (2, 20, 20, 9, 9))
    half = squares((1, 0, 0, 9, 9))
    scores = [
        score_instances(ObjectOverlaps.from_labels(*pair))
        for pair in ((empty, empty), (something, something), (something, half))
    ]
    mean = mean_scores(scores)
    assert (mean.truth, mean.found, mean.true_positives[0]) == (4, 3, 3)
    assert mean.recall == pytest.approx((1 + 0.5) / 2)
    # A plane with nothing to find says nothing about what is found of true objects.
    more = mean_scores([*scores, score_instances(ObjectOverlaps.from_labels(empty, something))])
    assert (more.recall, more.mean_iou) == (mean.recall, mean.mean_iou)
    assert more.msa == pytest.approx((1 + 0.5 + 0) / 3)
    assert mean.msa == pytest.approx((1 + 0.5) / 2)
    assert mean_scores(scores[:1]).msa == mean_scores([]).msa == 1
