"""Edges against boundaries, by hand."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from napari_segany.core.edges import mask_edges, normalised, thinned
from napari_segany.errors import Cancelled
from napari_segany.evaluation.boundary_metrics import (
    average_precision,
    confidence_intervals,
    count_boundaries,
    match_one_to_one,
    neighbours_within,
    score_boundaries,
)


def line(col: int, rows: slice = slice(0, 30)) -> np.ndarray:
    drawn = np.zeros((30, 40), bool)
    drawn[rows, col] = True
    return drawn


def match_pixels(edges: np.ndarray, truth: np.ndarray, radius: float) -> tuple:
    """Return the matched pixels of each map, as maps."""
    here, there = np.argwhere(edges), np.argwhere(truth)
    mine, theirs = match_one_to_one(neighbours_within(here, there, radius))
    right, found = np.zeros(edges.shape, bool), np.zeros(truth.shape, bool)
    right[tuple(here[mine].T)] = True
    found[tuple(there[theirs].T)] = True
    return right, found


def test_pixels_are_matched_one_to_one_within_a_distance():
    right, found = match_pixels(line(10), line(11), 1.5)
    assert right.sum() == found.sum() == 30
    right, found = match_pixels(line(10), line(12), 1.5)
    assert right.sum() == found.sum() == 0
    # Two lines beside one: only one of them can be right.
    right, found = match_pixels(line(10) | line(12), line(11), 1.5)
    assert (right.sum(), found.sum()) == (30, 30)
    assert match_pixels(line(10), np.zeros((30, 40), bool), 5)[0].sum() == 0


def test_scores_by_hand():
    # An edge of strength 0.9 that is right and one of 0.4 that is not; two annotators, of whom the
    # second drew another line.
    edges = 0.9 * line(10) + 0.4 * line(30)
    counted = count_boundaries(edges, [line(10), line(20)], steps=9, tolerance=0.02)
    assert counted.true.tolist() == [60] * 9
    # Thresholds 0.1 to 0.4 see both lines, 0.5 to 0.9 the strong one.
    assert counted.found.tolist() == [60] * 4 + [30] * 5
    assert counted.found_right.tolist() == [30] * 9
    assert counted.true_found.tolist() == [30] * 9
    scores = score_boundaries([counted])
    # Precision 1 and recall one half.
    assert scores.ods == scores.ois == pytest.approx(2 / 3)
    assert scores.r50 == pytest.approx(0.5)
    assert scores.threshold == pytest.approx(0.5)


def test_each_image_may_have_its_own_threshold():
    strong = count_boundaries(0.9 * line(10) + 0.6 * line(30), [line(10)], 9, 0.02)
    weak = count_boundaries(0.5 * line(10) + 0.2 * line(30), [line(10)], 9, 0.02)
    scores = score_boundaries([strong, weak])
    assert scores.ois == pytest.approx(1)
    assert scores.ods < 1
    low, high = confidence_intervals([strong, weak])["ods"]
    assert low <= scores.ods <= high


def test_area_under_a_curve():
    assert average_precision(np.array([1.0, 1.0]), np.array([0.0, 1.0])) == pytest.approx(1.01)
    assert average_precision(np.array([1.0, 1.0]), np.array([0.0, 0.5])) == pytest.approx(0.51)
    assert average_precision(np.array([1.0]), np.array([0.5])) == 0


def test_the_edge_of_a_mask_is_where_its_logits_cross_zero():
    cols = np.arange(40, dtype=np.float32)
    logits = np.broadcast_to(4 * (19.5 - cols), (30, 40)).copy()
    edges = mask_edges(logits)
    assert set(np.flatnonzero(edges[15]).tolist()) == {19, 20}
    soft = mask_edges(logits / 8)
    assert 0 < soft.max() < edges.max(), "what is unsure is fainter"


def test_edges_are_thinned_to_their_crest_and_stretched():
    cols = np.arange(60)
    ridge = np.tile(np.exp(-(((cols - 30) / 3.0) ** 2)), (50, 1))
    crest = thinned(ridge)[5:-5] > 0
    assert (crest.sum(axis=1) <= 2).all()
    assert crest[:, 29:32].any(axis=1).all()
    assert not crest[:, :20].any()
    assert normalised(ridge.astype(np.float32)).max() == 1
    assert not normalised(np.full((4, 4), 3, np.float32)).any()


def test_a_matching_is_as_large_as_can_be():
    # Against scipy's own, on maps that are crowded enough for greedy matching to go wrong.
    rng = np.random.default_rng(0)
    for _ in range(5):
        edges, truth = rng.random((2, 30, 40)) < 0.2
        right, found = match_pixels(edges, truth, 2.3)
        here, there = np.argwhere(edges), np.argwhere(truth)
        near = np.linalg.norm(here[:, None] - there[None], axis=-1) <= 2.3
        wanted = (maximum_bipartite_matching(csr_array(near), "column") >= 0).sum()
        assert right.sum() == found.sum() == wanted
        assert not (right & ~edges).any()
        assert not (found & ~truth).any()


def test_counting_can_be_stopped():
    with pytest.raises(Cancelled):
        count_boundaries(0.5 * line(3), [line(3)], should_stop=lambda: True)
