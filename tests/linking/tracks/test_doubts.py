"""Tests of doubtful places: each kind is found once, and ordinary tracks are none."""

import numpy as np
from tests.linking.tracks.cells import square, table_of

from napari_segany.linking.tracks.doubts import find_doubts
from napari_segany.linking.tracks.track_table import TrackTable

SHAPE = (60, 90)


def movie() -> TrackTable:
    """Tracks 1 to 3 in frames 0-7, which move one pixel a frame."""
    cells = {(f, t): square(15 * t, 20 + f, 6) for t in (1, 2, 3) for f in range(8)}
    return table_of(cells, confidence=np.full(24, 0.9))


def reasons(table: TrackTable) -> list[tuple[int, int, str]]:
    return [(each.frame, each.track, each.reason) for each in find_doubts(table, SHAPE)]


def test_ordinary_tracks_are_not_doubtful() -> None:
    assert reasons(movie()) == []
    assert reasons(table_of({})) == []


def test_a_jump_is_compared_with_the_usual_step() -> None:
    table = movie()
    table.position[(table.track == 2) & (table.frame >= 5), 1] += 20
    assert reasons(table) == [(5, 2, "moves 21 px a frame, usually 1")]


def test_jumps_are_lengths_where_the_pixel_size_is_known() -> None:
    table = movie()
    table.position[(table.track == 2) & (table.frame >= 5), 1] += 20
    sized = TrackTable(
        *(table.frame, table.track, table.label, table.position, table.area, table.confidence),
        pixel_size={"Y": (0.5, "um"), "X": (0.5, "um")},
    )
    assert reasons(sized) == [(5, 2, "moves 10.5 um a frame, usually 0.5")]


def test_unclear_links_come_first_and_reasons_are_joined() -> None:
    table = movie()
    table.confidence[(table.track == 1) & (table.frame == 3)] = 0.3
    table.confidence[(table.track == 3) & (table.frame == 6)] = 0.05
    table.area[(table.track == 3) & (table.frame == 6)] = 90
    found = find_doubts(table, SHAPE)
    assert [(each.frame, each.track) for each in found] == [(6, 3), (3, 1), (7, 3)]
    assert found[0].reason == "unclear link (confidence 0.05), size changes by a factor of 2.5"
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert len(find_doubts(table, SHAPE, accepted={(6, 3)})) == 2


def test_loose_ends_are_doubtful_within_the_frame_only() -> None:
    cells = {(f, 1): square(20, 20, 6) for f in range(8)}
    cells |= {(f, 2): square(20, 40, 6) for f in range(2, 6)}
    cells |= {(f, 3): square(0, 60, 6) for f in range(2, 6)}
    table = table_of(cells)
    assert reasons(table) == [
        (2, 2, "begins within the frame"),
        (5, 2, "ends within the frame"),
    ]
    assert len(find_doubts(table)) == 4


def test_a_lone_daughter_is_doubtful_and_a_division_is_not() -> None:
    cells = {(f, 1): square(20, 20, 6) for f in range(3)}
    cells |= {(f, t): square(20, 10 * t, 6) for t in (2, 3) for f in range(3, 6)}
    assert reasons(table_of(cells, {2: 1, 3: 1})) == []
    assert reasons(table_of(cells, {2: 1})) == [
        (3, 2, "division with one daughter"),
        (3, 3, "begins within the frame"),
    ]
