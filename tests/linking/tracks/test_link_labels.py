"""Tests of linking labels over time."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import choose_count
from tests.linking.tracks.movies import Movie, found_divisions, found_links, moving_discs

from napari_segany.errors import Cancelled, InputError
from napari_segany.linking.tracks.link_labels import link_labels
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.linking.tracks.track_table import TrackTable


def linked(movie: Movie, params: TrackParams | None = None, **more) -> TrackTable:
    return link_labels(movie.labels.__getitem__, range(len(movie.labels)), params, **more)


def agreement(found: set, true: set) -> float:
    """F1 of two sets."""
    return 2 * len(found & true) / max(1, len(found) + len(true))


def discs(*frames, shape=(60, 60), radius=5):
    """Frames with discs: {label: (row, column)} or {label: (row, column, radius)}."""
    labels = np.zeros((len(frames), *shape), np.int64)
    rows, cols = np.indices(shape)
    for t, frame in enumerate(frames):
        for label, (row, col, *own) in frame.items():
            labels[t][(rows - row) ** 2 + (cols - col) ** 2 <= (own or [radius])[0] ** 2] = label
    return Movie(labels)


def test_slow_discs_are_followed_without_an_error():
    movie = moving_discs(0, step=1.5)
    found = linked(movie)
    assert found_links(found) == movie.links
    assert found.parents == {}
    assert len(np.unique(found.track)) == len(np.unique(movie.labels[0])) - 1
    assert np.nanmin(found.confidence) > 0


@pytest.mark.parametrize(
    ("about", "least"),
    [
        ({"step": 6.0, "count": 45}, 0.9),
        ({"step": 3.0, "missing": 0.05}, 0.98),
        ({"step": 2.0, "radius": 3.0, "count": 60}, 0.98),
        ({"step": 2.0, "drift": (18.0, -11.0), "shape": (400, 400), "count": 50}, 0.995),
    ],
)
def test_hard_movies_are_linked_for_the_most_part(about, least):
    scores = []
    for seed in range(3):
        movie = moving_discs(seed, frames=6, **about)
        scores.append(agreement(found_links(linked(movie)), movie.links))
    assert np.mean(scores) >= least


def test_a_drift_needs_the_common_shift():
    movie = moving_discs(3, frames=4, step=1.0, drift=(18.0, -11.0), shape=(300, 300))
    assert found_links(linked(movie)) == movie.links
    without = linked(movie, TrackParams(align=False, max_distance=30))
    assert found_links(without) != movie.links


def test_divisions_are_found_and_no_others():
    found, true = set(), set()
    for seed in range(4):
        movie = moving_discs(seed, frames=10, count=20, step=1.5, dividing=0.03)
        mine = {(seed, *each) for each in found_divisions(linked(movie))}
        found, true = found | mine, true | {(seed, *each) for each in movie.divisions}
    assert len(true) > 10
    assert len(found & true) >= 0.9 * len(true)
    assert len(found - true) <= 0.1 * len(true)


def test_daughters_get_tracks_of_their_own_and_one_confidence():
    movie = discs(
        {3: (30, 30, 8)}, {5: (30, 31, 8)}, {7: (30, 24), 2: (30, 37)}, {1: (30, 22), 9: (30, 39)}
    )
    found = linked(movie)
    assert found.children == {1: (2, 3)}
    assert found.spans == {1: (0, 1), 2: (2, 3), 3: (2, 3)}
    first = found.confidence[found.rows_at(2)]
    assert first[0] == first[1] > 0.5
    assert linked(movie, TrackParams(divisions=False)).parents == {}


def test_a_splinter_is_no_daughter():
    movie = discs({1: (30, 30, 9)}, {1: (30, 28, 8), 2: (30, 39, 2)})
    assert linked(movie).parents == {}


@pytest.mark.parametrize("newcomer", [(30, 42, 8), (30, 40, 2), (48, 31, 5)])
def test_an_object_that_comes_in_beside_another_is_no_daughter(newcomer):
    movie = discs({1: (30, 30, 8)}, {1: (30, 30, 8), 2: newcomer})
    assert linked(movie, TrackParams(max_distance=25)).parents == {}


def test_gaps_are_closed_up_to_the_limit():
    frames = [{1: (20, 20), 2: (40, 40)}, {2: (40, 41)}, {2: (40, 42)}, {4: (21, 22), 2: (40, 43)}]
    assert found_links(linked(discs(*frames), TrackParams(max_gap=2))) >= {((0, 1), (3, 4))}
    assert found_links(linked(discs(*frames), TrackParams(max_gap=1))).isdisjoint(
        {((0, 1), (3, 4))}
    )


def test_blank_frames_are_bridged_like_other_gaps():
    movie = discs({1: (20, 20), 2: (40, 40)}, {}, {5: (20, 21), 4: (40, 41)})
    assert found_links(linked(movie)) == {((0, 1), (2, 5)), ((0, 2), (2, 4))}
    assert found_links(linked(movie, TrackParams(max_gap=0))) == set()


def test_rivals_for_a_gap_are_decided_together():
    """The end at column 20 has two possible followers, and so has the one at column 30."""
    frames = [
        {1: (30, 18), 2: (30, 30), 3: (8, 8)},
        {3: (8, 8)},
        {1: (30, 24), 2: (30, 36), 3: (8, 8)},
    ]
    found = linked(discs(*frames), TrackParams(max_distance=15))
    assert {((0, 1), (2, 1)), ((0, 2), (2, 2))} <= found_links(found)


def test_steps_in_depth_are_longer():
    """A ball that moves two planes of 5 um is further away than one that moves four pixels."""
    labels = np.zeros((2, 6, 40, 40), np.int32)
    labels[0, 1, 10:16, 10:16] = 1
    labels[1, 1, 10:16, 17:23] = 2
    labels[1, 3, 10:16, 10:16] = 3
    size = {"Z": (5.0, "um"), "Y": (1000.0, "nm"), "X": (1.0, "um")}
    params = TrackParams(max_distance=20, divisions=False)
    movie = Movie(labels)
    found = linked(movie, params, axes="ZYX", pixel_size=size)
    assert found_links(found) == {((0, 1), (1, 2))}
    assert found.features["step"][found.label == 2] == pytest.approx(7.0)
    assert found_links(linked(movie, params, axes="ZYX")) == {((0, 1), (1, 3))}


def test_balls_are_followed_in_volumes():
    movie = moving_discs(
        1, frames=5, shape=(12, 90, 90), spacing=(2.0, 0.5, 0.5), radius=4.0, step=0.8, count=15
    )
    size = {"Z": (2.0, "um"), "Y": (0.5, "um"), "X": (0.5, "um")}
    found = linked(movie, axes="ZYX", pixel_size=size)
    assert agreement(found_links(found), movie.links) > 0.98
    assert found.position.shape[1] == 3


def test_brightness_tells_objects_apart_where_places_do_not():
    movie = discs({1: (30, 20), 2: (30, 34)}, {1: (30, 27), 2: (30, 41)})
    image = np.zeros(movie.labels.shape)
    for t, label, value in [(0, 1, 100), (0, 2, 10), (1, 1, 10), (1, 2, 100)]:
        image[t][movie.labels[t] == label] = value
    params = TrackParams(max_distance=30, align=False, appearance_weight=5)
    assert ((0, 1), (1, 1)) in found_links(linked(movie, params))
    found = linked(movie, params, load_image=image.__getitem__)
    assert {((0, 1), (1, 2)), ((0, 2), (1, 1))} == found_links(found)
    assert found.features["intensity"].tolist() == [100, 10, 100, 10]
    # Features of a model say the same.
    rows = linked(
        movie,
        params,
        load_features=lambda t: (
            lambda at: np.stack(
                [image[t][tuple(at.astype(int).T)] == value for value in (100, 10)], 1
            ).astype(np.float32)
        ),
    )
    assert found_links(rows) == found_links(found)


def test_large_labels_empty_movies_and_single_frames():
    big = 2**40
    movie = discs({big: (20, 20), 7: (40, 40)}, {big + 1: (20, 22), 9: (40, 38)})
    assert found_links(linked(movie)) == {((0, big), (1, big + 1)), ((0, 7), (1, 9))}
    assert len(linked(discs({}, {})).frame) == 0
    assert linked(discs({5: (20, 20)})).track.tolist() == [1]


def test_no_step_is_longer_than_the_largest():
    movie = discs({1: (10, 10)}, {1: (30, 25)})
    assert found_links(linked(movie, TrackParams(max_distance=24.9))) == set()
    assert found_links(linked(movie, TrackParams(max_distance=25.1, max_cost=1))) != set()


def test_the_estimate_is_told_with_its_unit():
    told = []
    movie = discs({1: (20, 20)}, {1: (20, 24)})
    linked(movie, on_estimate=lambda *what: told.append(what))
    sizes = {"Y": (2.0, "um"), "X": (2.0, "um")}
    linked(movie, pixel_size=sizes, on_estimate=lambda *what: told.append(what))
    (pixels, px), (length, um) = told
    assert (px, um) == ("px", "um")
    assert length == pytest.approx(2 * pixels)
    linked(movie, TrackParams(max_distance=3), on_estimate=lambda *what: told.append(what))
    assert len(told) == 2


def test_what_cannot_be_linked_is_refused():
    labels = np.zeros((2, 8, 8), int)
    with pytest.raises(InputError, match="axes are ZYX"):
        link_labels(labels.__getitem__, range(2), axes="ZYX")
    with pytest.raises(InputError, match="YX or ZYX"):
        link_labels(labels.__getitem__, range(2), axes="XY")
    for frames in ([1, 0], [0, 0], []):
        with pytest.raises(InputError, match="ascend"):
            link_labels(labels.__getitem__, frames)
    with pytest.raises(InputError, match="Frame 1 has shape"):
        link_labels([labels[0], labels[1, :4]].__getitem__, range(2))
    with pytest.raises(InputError, match="whole numbers"):
        link_labels(lambda t: labels[t] + 0.5, range(2))
    with pytest.raises(InputError, match="The image has frames"):
        link_labels(labels.__getitem__, range(2), load_image=lambda t: np.zeros((3, 3)))
    with pytest.raises(Cancelled):
        link_labels(labels.__getitem__, range(2), should_stop=lambda: True)


def test_the_extra_is_named_where_laptrack_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "laptrack", None)
    movie = discs({1: (20, 20)}, {1: (20, 22)})
    with pytest.raises(InputError, match=r"napari-segany\[tracks\]"):
        linked(movie)
    assert len(found_links(linked(movie, TrackParams(divisions=False, max_gap=0)))) == 1


def test_frames_are_read_once_in_order_and_reported():
    movie, read, told = moving_discs(0, frames=5), [], []

    def load(t):
        read.append(t)
        return movie.labels[t]

    link_labels(load, range(5), progress=lambda done, total: told.append((done, total)))
    assert read == [0, 1, 2, 3, 4]
    assert told == [(i, 5) for i in range(1, 6)]


@settings(deadline=None, max_examples=choose_count(50, 15))
@given(seed=st.integers(0, 2**16), missing=st.sampled_from([0.0, 0.2]))
def test_tables_do_not_depend_on_the_values_of_labels(seed, missing):
    """Each object has one row, and other ids of the same objects give the same tracks."""
    movie = moving_discs(
        seed, frames=4, count=8, shape=(70, 70), radius=5, missing=missing, dividing=0.1
    )
    found = linked(movie)
    counts = [len(np.unique(frame[frame > 0])) for frame in movie.labels]
    assert np.bincount(found.frame, minlength=4).tolist() == counts
    other = link_labels(lambda t: movie.labels[t] * 7 + (movie.labels[t] > 0), range(4))
    assert (other.label == found.label * 7 + 1).all()
    assert (other.track == found.track).all()
    assert other.parents == found.parents
    assert np.array_equal(other.confidence, found.confidence, equal_nan=True)
    known = found.confidence[np.isfinite(found.confidence)]
    assert ((known >= 0) & (known <= 1)).all()
