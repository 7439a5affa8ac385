"""Tests of tracks as graphs, and of tracks cut at their gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from tests.effort import choose_count
from tests.io.tracks.movies import Movie, movies

from napari_segany.errors import InputError
from napari_segany.linking.tracks.contiguous import join_gaps, split_at_gaps
from napari_segany.linking.tracks.track_graph import lineages_of, links_of, tracks_of_links


@settings(max_examples=choose_count(300, 60), deadline=None)
@given(movies())
def test_links_say_which_objects_are_one_track(movie: Movie) -> None:
    table = movie.table
    links = links_of(table)
    track, parents = tracks_of_links(table.frame, links[:, ::-1], table.track)
    np.testing.assert_array_equal(track, table.track)
    assert parents == dict(table.parents)
    # Without ids an only daughter goes on as its parent.
    track, parents = tracks_of_links(table.frame, links)
    tails = {c[0]: p for p, c in table.children.items() if len(c) == 1}

    def root(one: int) -> int:
        return root(tails[one]) if one in tails else one

    names: dict[int, int] = {}
    for found, wanted in zip(track.tolist(), table.track.tolist(), strict=True):
        assert names.setdefault(found, root(wanted)) == root(wanted)
    assert len(names) == len(set(names.values()))
    wanted = {c: root(p) for c, p in table.parents.items() if c not in tails}
    assert {names[c]: names[p] for c, p in parents.items()} == wanted


@settings(max_examples=choose_count(300, 60), deadline=None)
@given(movies())
def test_lineages_hold_all_that_is_linked(movie: Movie) -> None:
    table = movie.table
    lineage = lineages_of(len(table.frame), links_of(table))

    def root(one: int) -> int:
        return root(table.parents[one]) if one in table.parents else one

    roots = [root(track) for track in table.track.tolist()]
    pairs = set(zip(lineage.tolist(), roots, strict=True))
    assert len(pairs) == len(set(roots)) == len(set(lineage.tolist()))


@settings(max_examples=choose_count(300, 60), deadline=None)
@given(movies())
def test_tracks_are_cut_at_gaps_and_joined(movie: Movie) -> None:
    table = movie.table
    parts = split_at_gaps(table)
    for track, first, last, _ in parts.rows.tolist():
        assert table.frame[parts.track == track].tolist() == list(range(first, last + 1))
    joined, parents = join_gaps([tuple(row) for row in parts.rows.tolist()])
    assert [joined[part] for part in parts.track.tolist()] == table.track.tolist()
    assert parents == dict(table.parents)


def test_an_only_daughter_after_a_gap_is_taken_for_a_gap() -> None:
    assert join_gaps([(1, 0, 2, 0), (2, 3, 4, 1), (3, 6, 7, 2)]) == ({1: 1, 2: 2, 3: 2}, {2: 1})


def test_stated_tracks_that_links_contradict_are_not_taken() -> None:
    frame = np.array([0, 1, 2, 2])
    links = np.array([[0, 1], [1, 2], [1, 3]])
    for stated in ([5, 5, 5, 6], [5, 6, 6, 7], [5, 5, 6, 6], [0, 0, 1, 2]):
        track, parents = tracks_of_links(frame, links, np.array(stated))
        assert (track.tolist(), parents) == ([1, 1, 2, 3], {2: 1, 3: 1})
    track, parents = tracks_of_links(frame, links, np.array([5, 5, 9, 7]))
    assert (track.tolist(), parents) == ([5, 5, 9, 7], {9: 5, 7: 5})


def test_links_that_make_no_tracks_are_refused() -> None:
    frame = np.array([0, 0, 1])
    with pytest.raises(InputError, match="one frame"):
        tracks_of_links(frame, np.array([[0, 1]]))
    with pytest.raises(InputError, match="merge into one object of frame 1"):
        tracks_of_links(frame, np.array([[0, 2], [1, 2]]))


def test_no_objects_are_no_tracks() -> None:
    track, parents = tracks_of_links(np.zeros(0, int), np.zeros((0, 2), int), np.zeros(0, int))
    assert (len(track), parents) == (0, {})
