"""Tests of the table of tracks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_table import TrackTable


def table(
    frame: list[int],
    track: list[int],
    label: list[int] | None = None,
    parents: Mapping[int, int] | None = None,
    **more: Any,
) -> TrackTable:
    count = len(frame)
    columns: dict[str, Any] = {
        "frame": np.array(frame, np.int64),
        "track": np.array(track, np.int64),
        "label": np.array(label or track, np.int64),
        "position": np.zeros((count, 2)),
        "area": np.ones(count, np.int64),
        "confidence": np.full(count, np.nan),
        "parents": parents or {},
    }
    return TrackTable(**(columns | more))


def test_spans_and_children_are_read_from_rows() -> None:
    found = table([0, 0, 1, 2, 2, 3], [1, 2, 1, 3, 4, 4], parents={3: 1, 4: 1})
    assert found.spans == {1: (0, 1), 2: (0, 0), 3: (2, 2), 4: (2, 3)}
    assert found.children == {1: (3, 4)}
    assert found.rows_of(4).tolist() == [4, 5]
    assert found.rows_at(2) == slice(3, 5)
    assert found.rows_at(7) == slice(6, 6)


def test_relabel_frame_leaves_out_objects_without_a_track() -> None:
    found = table([0, 0, 1], [1, 2, 2], [7, 3, 9])
    labels = np.array([[0, 7, 3], [5, 3, 7]], np.uint16)
    assert found.relabel_frame(0, labels).tolist() == [[0, 1, 2], [0, 2, 1]]
    assert found.relabel_frame(1, labels).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert found.relabel_frame(4, labels).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_take_drops_parents_of_what_is_gone() -> None:
    found = table([0, 1, 2, 2], [1, 1, 2, 3], parents={2: 1, 3: 1}, features={"size": np.arange(4)})
    left = found.take(found.track != 2)
    assert left.track.tolist() == [1, 1, 3]
    assert left.parents == {3: 1}
    assert left.features["size"].tolist() == [0, 1, 3]


def test_an_empty_table_is_a_table() -> None:
    found = table([], [])
    assert (found.spans, found.children) == ({}, {})
    assert not found.relabel_frame(0, np.ones((2, 2), int)).any()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"frame": [1, 0], "track": [1, 1]}, "ordered"),
        ({"frame": [0, 0], "track": [1, 1], "label": [1, 2]}, "track appears twice"),
        ({"frame": [0, 0], "track": [1, 2], "label": [4, 4]}, "label appears twice"),
        ({"frame": [0], "track": [0], "label": [1]}, "below 1"),
        ({"frame": [0, 1], "track": [1, 2], "parents": {2: 5}}, "no object"),
        ({"frame": [0, 1, 1], "track": [1, 1, 2], "parents": {2: 1}}, "must end before"),
        ({"frame": [0], "track": [1], "axes": "XY"}, "YX or ZYX"),
        ({"frame": [0], "track": [1], "axes": "ZYX"}, "Positions"),
        ({"frame": [0], "track": [1], "area": np.ones(2, int)}, "length"),
    ],
)
def test_rows_that_are_no_tracks_are_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(**columns)
