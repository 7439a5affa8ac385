"""Tests of corrections: which are refused, and what they touch."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.linking.tracks.cells import mask_of, square, table_of

from napari_segany.errors import InputError
from napari_segany.linking.tracks.link_edits import (
    cut_track,
    join_tracks,
    mark_division,
    swap_tracks,
    unmark_division,
)
from napari_segany.linking.tracks.object_edits import (
    add_object,
    delete_object,
    delete_track,
    merge_objects,
    split_object,
)
from napari_segany.linking.tracks.track_edit import FrameMask, Relabel, with_track_labels
from napari_segany.linking.tracks.track_table import TrackTable


def movie(parents: dict[int, int] | None = None) -> TrackTable:
    """Track 1 in frames 0-2, 2 and 3 in 3-5, 4 in 0-5, 5 in 4."""
    frames = {1: (0, 1, 2), 2: (3, 4, 5), 3: (3, 4, 5), 4: range(6), 5: (4,)}
    cells = {(f, t): square(f, 6 * (t - 1)) for t, those in frames.items() for f in those}
    return table_of(cells, parents, features={"step": np.arange(16.0)})


def of(table: TrackTable, track: int) -> list[int]:
    """Frames of a track."""
    return table.frame[table.track == track].tolist()


def test_join_keeps_the_id_of_the_earlier_track() -> None:
    edit = join_tracks(movie(), 2, 1)
    assert of(edit.table, 1) == [0, 1, 2, 3, 4, 5]
    assert edit.relabels == (Relabel(3, 2, 1), Relabel(4, 2, 1), Relabel(5, 2, 1))
    assert edit.name == "join 1 and 2"
    (row,) = np.flatnonzero((edit.table.frame == 3) & (edit.table.track == 1))
    assert edit.table.confidence[row] == 1
    assert np.count_nonzero(edit.table.confidence != 0.5) == 1


def test_an_object_is_joined_into_a_gap() -> None:
    table = delete_object(movie(), 4, 4).table
    edit = join_tracks(table, 5, 4)
    assert of(edit.table, 4) == [0, 1, 2, 3, 4, 5]
    assert edit.relabels == (Relabel(4, 5, 4),)
    sure = edit.table.frame[(edit.table.track == 4) & (edit.table.confidence == 1)]
    assert sure.tolist() == [4, 5]


def test_join_of_an_only_daughter_and_its_mother() -> None:
    assert join_tracks(movie({2: 1}), 1, 2).table.parents == {}


def test_daughters_follow_the_end_of_their_mother() -> None:
    joined = join_tracks(
        table_of(
            {
                (0, 1): square(0, 0),
                (1, 2): square(0, 0),
                (2, 3): square(0, 0),
                (2, 4): square(0, 9),
            },
            {3: 2, 4: 2},
        ),
        1,
        2,
    )
    assert joined.table.parents == {3: 1, 4: 1}
    assert cut_track(movie({2: 1, 3: 1}), 1, 2, 9).table.parents == {2: 9, 3: 9}
    cells = {(0, 1): square(0, 0), (1, 1): square(0, 0), (0, 2): square(0, 9), (1, 2): square(0, 9)}
    cells |= {(2, 3): square(0, 0), (2, 4): square(0, 9)}
    assert swap_tracks(table_of(cells, {3: 1, 4: 1}), 1, 2, 1).table.parents == {3: 2, 4: 2}


def test_a_track_that_goes_on_is_one_of_the_daughters() -> None:
    edit = mark_division(movie(), 4, (4, 2), 3, 9)
    assert edit.table.parents == {9: 4, 2: 4}
    assert (of(edit.table, 4), of(edit.table, 9)) == ([0, 1, 2], [3, 4, 5])
    assert edit.relabels == tuple(Relabel(f, 4, 9) for f in (3, 4, 5))
    back = unmark_division(edit.table, 4)
    assert back.table.parents == {}
    assert not back.relabels


def test_swap_is_its_own_opposite() -> None:
    table = movie()
    once = swap_tracks(table, 1, 4, 1).table
    assert of(once, 1) == [0, 1, 2, 3, 4, 5]
    assert of(once, 4) == [0, 1, 2]
    twice = swap_tracks(once, 1, 4, 1).table
    assert twice.track.tolist() == table.track.tolist()
    assert (twice.position == table.position).all()


def test_deleting_the_first_object_leaves_no_link() -> None:
    edit = delete_object(movie({2: 1, 3: 1}), 3, 2)
    (row,) = np.flatnonzero((edit.table.frame == 4) & (edit.table.track == 2))
    # The mother still is its parent, so the link is known as before.
    assert edit.table.parents == {2: 1, 3: 1}
    assert edit.table.confidence[row] == 0.5
    orphan = delete_track(edit.table, 1).table
    assert orphan.parents == {}
    assert np.isnan(orphan.confidence[orphan.frame == 4][0])
    assert delete_object(movie(), 4, 5).relabels == (Relabel(4, 5, 0),)
    assert 5 not in delete_object(movie(), 4, 5).table.spans


def test_merged_and_split_objects_are_measured() -> None:
    merged = merge_objects(movie(), 4, [5, 4])
    row = int(np.flatnonzero((merged.table.frame == 4) & (merged.table.track == 5))[0])
    assert merged.table.area[row] == 18
    assert merged.table.position[row].tolist() == [5, 22]
    assert np.isnan(merged.table.features["step"][row])
    assert merged.relabels == (Relabel(4, 4, 5),)
    upper, lower = square(4, 18) - square(6, 18), square(4, 18) & square(6, 18)
    parts = mask_of(upper), mask_of(lower)
    split = split_object(movie(), 4, 4, parts, 9)
    assert (of(split.table, 9), split.table.area.sum()) == ([4], movie().area.sum())


def test_an_object_is_added_to_a_gap() -> None:
    edit = add_object(movie(), 3, 5, mask_of(square(9, 9)), confidence=0.7)
    assert of(edit.table, 5) == [3, 4]
    assert edit.table.area.sum() == movie().area.sum() + 9


def test_masks_are_cut_to_their_pixels() -> None:
    mask = mask_of(square(4, 7))
    assert (mask.start, mask.pixels.shape, mask.area) == ((4, 7), (3, 3), 9)
    assert mask.centroid.tolist() == [5, 8]
    with pytest.raises(InputError, match="no pixel"):
        FrameMask.of(np.zeros((3, 3), bool))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda t: join_tracks(t, 1, 4), "overlap in time"),
        (lambda t: join_tracks(t, 1, 1), "two tracks"),
        (lambda t: join_tracks(t, 1, 5), "divides into 2 and 3"),
        (lambda t: join_tracks(t, 1, 2), "divides into 3"),
        (lambda t: join_tracks(t, 1, 8), "no track 8"),
        (lambda t: cut_track(t, 4, 0, 9), "cannot be cut before 0"),
        (lambda t: cut_track(t, 4, 2, 3), "no id for a new track"),
        (lambda t: mark_division(t, 1, (2, 3), 3, 9), "divides already"),
        (lambda t: mark_division(t, 4, (2, 3), 5, 9), "goes on to frame 5"),
        (lambda t: mark_division(t, 4, (4, 4), 5, 9), "two daughters"),
        (lambda t: mark_division(t, 4, (4, 1), 5, 9), "ends at frame 2"),
        (lambda t: mark_division(t, 4, (4, 2), 3, 9), "daughter of 1"),
        (lambda t: mark_division(t, 2, (2, 4), 3, 9), "begins at frame 3"),
        (lambda t: unmark_division(t, 4), "does not divide"),
        (lambda t: swap_tracks(t, 2, 4, 3), "as a daughter of 1"),
        (lambda t: swap_tracks(t, 4, 4, 3), "two tracks"),
        (lambda t: swap_tracks(t, 1, 5, 3), "join them instead"),
        (lambda t: swap_tracks(t, 4, 1, 0), "nothing to swap"),
        (lambda t: delete_object(t, 0, 5), "no object in frame 0"),
        (lambda t: delete_track(t, 8), "no track 8"),
        (lambda t: merge_objects(t, 4, [4, 4]), "two objects"),
        (lambda t: merge_objects(t, 4, [4, 1]), "no object in frame 4"),
        (lambda t: split_object(t, 4, 4, (mask_of(square(0, 0)),) * 2, 9), "18 pixels together"),
        (lambda t: add_object(t, 4, 4, mask_of(square(0, 0))), "already"),
        (lambda t: add_object(t, 4, 1, mask_of(square(0, 0))), "must end before"),
        (lambda t: add_object(t, -1, 4, mask_of(square(0, 0))), "0 or more"),
    ],
)
def test_what_cannot_be_is_refused(act: Callable[[TrackTable], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        act(movie({2: 1, 3: 1}))


def test_only_tracks_whose_ids_are_labels_are_corrected() -> None:
    table = table_of({(0, 1): square(0, 0)}, label=np.array([7]))
    with pytest.raises(InputError, match="relabel the frames first"):
        delete_track(table, 1)
    assert not len(delete_track(with_track_labels(table), 1).table.frame)
