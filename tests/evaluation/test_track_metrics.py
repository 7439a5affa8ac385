"""Tests of the scores of tracks: by hand, and beside another program."""

import tempfile
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from tests.effort import choose_count
from tests.io.tracks.movies import FRAMES, SLOTS, Movie, movies

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import Cancelled, InputError
from napari_segany.evaluation.track_metrics import (
    TrackScores,
    from_values,
    mean_track_scores,
    score_tracks,
    to_values,
)
from napari_segany.io.tracks.formats import write_tracks
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.tracking import TrackedMovie

PHASES = [Phase.reuse, Phase.generate]
"""Smaller examples of a failure would take minutes."""

Cells = dict[int, list[int | None]]


def movie(cells: Cells, parents: dict[int, int] | None = None) -> TrackedMovie:
    """Objects of 4 x 4 pixels: the column of each track in each frame, None where it is missing."""
    count = len(next(iter(cells.values())))
    labels = np.zeros((count, 4, 60), np.uint16)
    rows = []
    for track, columns in cells.items():
        for frame, column in enumerate(columns):
            if column is not None:
                labels[frame, :, column : column + 4] = track
                rows.append((frame, track))
    frame, track = np.array(sorted(rows), np.int64).reshape(-1, 2).T
    table = TrackTable(
        frame,
        track,
        track,
        np.zeros((len(frame), 2)),
        np.full(len(frame), 16),
        np.full(len(frame), np.nan),
        parents or {},
    )
    return TrackedMovie(table, labels.__getitem__, count, labels.shape[1:])


TRUTH = movie(
    {1: [0, 1, None, None], 2: [None, None, 0, 0], 3: [None, None, 10, 10], 4: [40, 40, 40, 40]},
    {2: 1, 3: 1},
)
"""Track 1 divides into 2 and 3; 10 objects, 6 links within tracks and 2 to daughters."""


def test_the_truth_itself_is_perfect() -> None:
    scores = score_tracks(TRUTH, TRUTH)
    assert scores == TrackScores(
        *(1.0, 1.0, 1.0, 1.0, 1.0),
        *(10, 10, 0, 0, 0),
        *(8, 0, 0, 0),
        *(1, 1, 0),
    )


def test_a_division_that_is_not_found() -> None:
    """Track 1 goes on as the first daughter; the other one begins by itself.

    A link to a daughter is missing, and the other is of the wrong kind: of 8 links that weigh 1.5
    each, 1.5 + 1 are wrong. Of the objects none is.
    """
    found = movie({1: [0, 1, 0, 0], 3: [None, None, 10, 10], 4: [40, 40, 40, 40]})
    scores = score_tracks(TRUTH, found)
    assert (scores.det, scores.seg) == (1, 1)
    assert (scores.missing_links, scores.false_links, scores.wrong_kinds) == (1, 0, 1)
    assert scores.lnk == pytest.approx(1 - 2.5 / 12)
    assert scores.tra == pytest.approx(1 - 2.5 / (100 + 12))
    assert (scores.division_f1, scores.divisions, scores.true_divisions) == (0, 1, 0)


def test_a_false_division_a_missed_and_a_false_object() -> None:
    """The last object of track 4 is missed, one is false, and track 4 divides too soon."""
    found = movie(
        {
            1: [0, 1, None, None],
            2: [None, None, 0, 0],
            3: [None, None, 10, 10],
            4: [40, 40, None, None],
            5: [None, None, 40, None],
            6: [None, None, 50, None],
        },
        {2: 1, 3: 1, 5: 4, 6: 4},
    )
    scores = score_tracks(TRUTH, found)
    assert (scores.missed, scores.false, scores.splits) == (1, 1, 0)
    assert scores.det == pytest.approx(1 - (10 + 1) / 100)
    assert scores.seg == pytest.approx(9 / 10)
    # A link to the missed object is missing. The one to the daughter 5 is of the wrong kind.
    assert (scores.missing_links, scores.false_links, scores.wrong_kinds) == (1, 0, 1)
    assert scores.lnk == pytest.approx(1 - 2.5 / 12)
    assert scores.tra == pytest.approx(1 - (11 + 2.5) / 112)
    assert (scores.true_divisions, scores.false_divisions) == (1, 1)
    assert scores.division_f1 == pytest.approx(2 / 3)


def test_an_object_over_two_is_split_and_links_that_swap_are_false() -> None:
    truth = movie({1: [0, 0, 0], 2: [4, 4, 4]})
    swapped = movie({1: [0, 4, 4], 2: [4, 0, 0]})
    scores = score_tracks(truth, swapped)
    assert (scores.missing_links, scores.false_links) == (2, 2)
    assert scores.lnk == pytest.approx(1 - (1.5 * 2 + 2) / 6)
    wide = movie({1: [0, 0, 0], 2: [4, None, 4]})
    labels = np.stack([wide.load_frame(frame) for frame in range(3)])
    labels[1, :, 4:8] = 1
    wide = replace(wide, load_frame=labels.__getitem__)
    scores = score_tracks(truth, wide)
    # One split; each of the two gets half of the pixels. None of the four links is there, but
    # over the gap of track 2 there is one that should not be.
    assert (scores.splits, scores.missed, scores.false) == (1, 0, 0)
    assert scores.det == pytest.approx(1 - 5 / 60)
    assert scores.seg == pytest.approx((4 + 2 * 0.5) / 6)
    assert (scores.missing_links, scores.false_links) == (4, 1)
    assert scores.lnk == 0


def test_exactly_half_of_an_object_is_no_match() -> None:
    truth, found = movie({1: [0]}), movie({1: [2]})
    scores = score_tracks(truth, found)
    assert (scores.missed, scores.false, scores.seg) == (1, 1, 0)
    scores = score_tracks(truth, movie({1: [1]}))
    assert (scores.missed, scores.false) == (0, 0)
    assert scores.seg == pytest.approx(12 / 20)


def test_a_gap_is_a_link_to_a_parent() -> None:
    truth = movie({1: [0, None, 0, 0]})
    assert score_tracks(truth, truth).links == 2
    cut = movie({1: [0, None, None, None], 2: [None, None, 0, 0]})
    scores = score_tracks(truth, cut)
    assert (scores.missing_links, scores.lnk) == (1, pytest.approx(0.5))
    # Without divisions in the truth there is no score of them.
    assert np.isnan(scores.division_f1)


def test_a_single_frame_has_no_links() -> None:
    scores = score_tracks(movie({1: [0], 2: [10]}), movie({1: [0]}))
    assert np.isnan(scores.lnk)
    assert scores.tra == scores.det == pytest.approx(0.5)
    assert from_values(to_values(scores)).det == scores.det
    assert to_values(scores)["lnk"] is None
    both = mean_track_scores([scores, score_tracks(TRUTH, TRUTH)])
    assert (both["det"], both["lnk"]) == (0.75, 1.0)


def test_nothing_found_is_nothing_right() -> None:
    nothing = replace(TRUTH, table=TRUTH.table.take(np.zeros(10, bool)))
    scores = score_tracks(TRUTH, nothing)
    assert (scores.det, scores.seg, scores.tra, scores.lnk) == (0, 0, 0, 0)
    assert (scores.missed, scores.missing_links, scores.divisions) == (10, 8, 1)
    assert scores.division_f1 == 0
    with pytest.raises(InputError, match="no tracks"):
        score_tracks(nothing, TRUTH)


def test_movies_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="4 frames, and the tracks 1"):
        score_tracks(TRUTH, movie({1: [0]}))
    odd = replace(TRUTH, load_frame=lambda frame: np.zeros((4, 60), int))
    with pytest.raises(InputError, match="frame 0 have no object 1, which is one of the tracks"):
        score_tracks(TRUTH, odd)
    small = replace(TRUTH, load_frame=lambda frame: np.zeros((4, 6), int))
    with pytest.raises(InputError, match="shape"):
        score_tracks(TRUTH, small)


def test_it_can_be_stopped() -> None:
    stop: ShouldStop = lambda: True  # noqa: E731
    with pytest.raises(Cancelled):
        score_tracks(TRUTH, TRUTH, should_stop=stop)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ctc_metrics", None)
    with pytest.raises(InputError, match=r"napari-segany\[tracks\]"):
        score_tracks(TRUTH, TRUTH)


def damaged(made: Movie, changes: list[int], rng: np.random.Generator) -> Movie:
    """Some objects are gone, some are smaller, some take a neighbour's pixels, ids are swapped."""
    labels, table = made.labels.copy(), made.table
    keep = rng.random(len(table.frame)) < 0.85
    track = table.track.copy()
    for frame in changes:
        at = table.rows_at(frame)
        here = np.arange(at.start, at.stop)
        if len(here) > 1:
            one, two = rng.choice(here, 2, replace=False)
            late = table.frame >= frame
            a, b = track[[one, two]]
            if {int(a), int(b)}.isdisjoint({*table.parents, *table.parents.values()}):
                first, second = late & (track == a), late & (track == b)
                track[first], track[second] = b, a
            if rng.random() < 0.5:
                # One object swallows another.
                labels[frame][labels[frame] == table.label[two]] = table.label[one]
                keep[two] = False
    for row in np.flatnonzero(~keep):
        labels[table.frame[row]][labels[table.frame[row]] == table.label[row]] = 0
    shrunk = rng.random(labels.shape) < 0.1
    left = np.where(shrunk, 0, labels).astype(labels.dtype)
    for row in np.flatnonzero(keep):
        frame, value = int(table.frame[row]), int(table.label[row])
        if not (left[frame] == value).any():
            left[frame] = np.where(labels[frame] == value, value, left[frame])
    order = np.lexsort((track, table.frame))
    columns: dict[str, Any] = {
        name: getattr(table, name)[order]
        for name in ("frame", "label", "position", "area", "confidence")
    }
    whole = replace(table, **columns, track=track[order])
    return Movie(whole.take(keep[order]), left)


def without_only_daughters(made: Movie) -> Movie:
    """No parent of one track: to traccuracy, which knows no tracks, such a link is within one."""
    several = {p for p, children in made.table.children.items() if len(children) > 1}
    parents = {c: p for c, p in made.table.parents.items() if p in several}
    return Movie(replace(made.table, parents=parents), made.labels)


def covers_three(made: Movie, wrong: Movie) -> bool:
    """True if a wrong object covers most of three true ones: two splits, one to traccuracy."""
    for true, found in zip(made.labels, wrong.labels, strict=True):
        covering: Counter[int] = Counter()
        for label in np.unique(true[true > 0]):
            values, counts = np.unique(found[true == label], return_counts=True)
            most = counts.argmax()
            if values[most] and 2 * counts[most] > counts.sum():
                covering[int(values[most])] += 1
        if max(covering.values(), default=0) > 2:
            return True
    return False


@settings(max_examples=choose_count(100, 12), deadline=None, phases=PHASES)
@given(movies(), st.lists(st.integers(0, FRAMES - 1), max_size=SLOTS), st.integers(0, 2**32 - 1))
def test_the_scores_are_those_of_traccuracy(made: Movie, changes: list[int], seed: int) -> None:
    from traccuracy import run_metrics
    from traccuracy.loaders import load_ctc_data
    from traccuracy.matchers import CTCMatcher
    from traccuracy.metrics import CTCMetrics

    made = without_only_daughters(made)
    wrong = without_only_daughters(damaged(made, changes, np.random.default_rng(seed)))
    # It takes the first frame with an object for the first frame.
    assume(made.table.frame[0] == 0)
    assume(len(wrong.table.frame) > 0)
    assume(not covers_three(made, wrong))
    truth, found = (
        TrackedMovie(each.table, each.load, made.count, made.labels.shape[1:])
        for each in (made, wrong)
    )
    scores = score_tracks(truth, found)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Of bars of progress, and of movies without links.
        warnings.simplefilter("ignore")
        graphs = []
        for name, each in (("GT", made), ("RES", wrong)):
            path = write_tracks("ctc", Path(folder) / name, each.table, each.load, made.count)
            graphs.append(load_ctc_data(str(path), run_checks=False))
        results, _ = run_metrics(*graphs, CTCMatcher(), [CTCMetrics()])
    theirs = results[0]["results"]
    for name in ("DET", "TRA", "LNK"):
        assert getattr(scores, name.lower()) == pytest.approx(
            theirs[name], abs=1e-9, nan_ok=True
        ), name
    names = {"fp_nodes": "false", "fn_nodes": "missed", "ns_nodes": "splits"}
    names |= {"fp_edges": "false_links", "fn_edges": "missing_links", "ws_edges": "wrong_kinds"}
    assert {n: getattr(scores, own) for n, own in names.items()} == {n: theirs[n] for n in names}


@settings(max_examples=choose_count(80, 12), deadline=None, phases=PHASES)
@given(movies(), st.lists(st.integers(0, FRAMES - 1), max_size=SLOTS), st.integers(0, 2**32 - 1))
def test_the_scores_are_those_of_the_challenge_on_folders(
    made: Movie, changes: list[int], seed: int
) -> None:
    """Its code matches objects in files, by itself."""
    from ctc_metrics.scripts.evaluate import evaluate_sequence

    wrong = damaged(made, changes, np.random.default_rng(seed))
    assume(len(wrong.table.frame) > 0)
    shape = made.labels.shape[1:]
    truth, found = (
        TrackedMovie(each.table, each.load, made.count, shape) for each in (made, wrong)
    )
    scores = score_tracks(truth, found)
    # What it cannot do: movies without links.
    assume(scores.links > 0 and made.count > 1)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty frame")
        reference, result = Path(folder) / "01_GT", Path(folder) / "01_RES"
        write_tracks("ctc-truth", reference / "TRA", made.table, made.load, made.count)
        write_tracks("ctc", result, wrong.table, wrong.load, made.count)
        (reference / "SEG").mkdir()
        for path in (reference / "TRA").glob("*.tif"):
            name = path.name.replace("man_track", "man_seg")
            (reference / "SEG" / name).write_bytes(path.read_bytes())
        theirs = evaluate_sequence(
            str(result), str(reference), ["Valid", "DET", "SEG", "TRA", "LNK", "BC"], threads=1
        )
    assert theirs["Valid"] == 1
    for name in ("DET", "SEG", "TRA", "LNK"):
        assert getattr(scores, name.lower()) == pytest.approx(theirs[name], abs=1e-9), name
    assert scores.true_divisions == theirs["tp_div(0)"]
    assert scores.false_divisions == theirs["fp_div(0)"]
    if scores.divisions:
        assert scores.division_f1 == pytest.approx(theirs["BC(0)"], abs=1e-9)
