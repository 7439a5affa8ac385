"""Tests of tables of tracks."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from tests.effort import choose_count
from tests.io.tracks.movies import Movie, assert_same, movies

from napari_segany.errors import InputError
from napari_segany.io.tracks.formats import read_tracks, write_tracks


@settings(max_examples=choose_count(300, 50), deadline=None)
@given(movies(with_features=True))
def test_a_table_comes_back(movie: Movie) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_tracks("csv", Path(folder) / "a_tracks.csv", movie.table)
        found = read_tracks(path)
    assert found.load_frame is None
    assert_same(found.table, movie.table)
    for axis, (size, unit) in found.table.pixel_size.items():
        wanted = movie.table.pixel_size[axis]
        assert (pytest.approx(wanted[0], rel=1e-12), wanted[1]) == (size, unit)


def test_tables_made_by_laptrack_are_read(tmp_path: Path) -> None:
    """Its tracks begin at 0, so that the first one is the parent 0.0 of two; others have none."""
    import pandas as pd
    from laptrack import LapTrack

    places = [(0, 10, 10), (1, 11, 10), (2, 12, 6), (2, 12, 14), (3, 12, 4), (3, 12, 16)]
    places += [(frame, 50, 50) for frame in range(4)]
    frame = pd.DataFrame(places, columns=["frame", "y", "x"])
    linker = LapTrack(cutoff=49, splitting_cutoff=49)
    tracks, splits, _ = linker.predict_dataframe(frame, ["y", "x"], frame_col="frame")
    parents = splits.set_index("child_track_id")["parent_track_id"]
    tracks["parent_track_id"] = tracks["track_id"].map(parents)
    tracks.to_csv(tmp_path / "table.csv")
    table = read_tracks(tmp_path / "table.csv").table
    assert len(table.frame) == len(places)
    ((divided, daughters),) = table.children.items()
    assert table.spans[divided] == (0, 1)
    assert [table.spans[each] for each in daughters] == [(2, 3), (2, 3)]


def test_parents_beside_a_track_0_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "frame,y,x,track_id,tree_id,parent_track_id\n"
        "0,1.5,2,0,0,-1\n1,2,2,1,0,0\n1,3,4,2,0,0\n1,9,9,3,1,-1\n"
    )
    table = read_tracks(path).table
    assert table.track.tolist() == [1, 2, 3, 4]
    assert dict(table.parents) == {2: 1, 3: 1}
    assert table.position.tolist() == [[1.5, 2], [2, 2], [3, 4], [9, 9]]
    assert table.features == {}


TRACKMATE = (
    "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME\n"
    "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame\n"
    "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame\n"
    ",,,(quality),(micron),(micron),(micron),(sec),\n"
    "ID7,7,0,1.0,2.5,3.5,0.0,0.0,0\n"
    "ID8,8,,1.0,9.5,3.5,0.0,0.0,0\n"
    "ID9,9,0,1.0,3.5,3.5,0.0,1.0,1\n"
)


def test_the_spots_of_trackmate_are_read(tmp_path: Path) -> None:
    path = tmp_path / "spots.csv"
    path.write_text(TRACKMATE)
    table = read_tracks(path).table
    assert table.track.tolist() == [1, 1]
    assert table.position.tolist() == [[3.5, 2.5], [3.5, 3.5]]
    assert dict(table.pixel_size) == {"Y": (1.0, "um"), "X": (1.0, "um")}
    path.write_text(TRACKMATE + "ID10,10,0,1.0,3.5,9.5,0.0,1.0,1\n")
    with pytest.raises(InputError, match="Export the tracks as XML"):
        read_tracks(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no tracks"),
        ("frame,y,x\n0,1,2\n", "no column track"),
        ("frame,track,y,x\n0,1,a,2\n", r"row 1 \(line 2\): y is 'a'"),
        ("frame,track,y,x\n0.5,1,1,2\n", "frame is 0.5"),
        ("frame,track,y,x\n0,-1,1,2\n", "track is -1"),
        ("frame,track,y,x\n0,1,1,2\n0,1,1,2\n", "appears twice"),
        ("frame,track,y,x,parent\n0,1,1,2,0\n0,2,1,2,1\n", "must end before"),
        ("frame,track,y,x,parent\n0,1,1,2,0\n1,2,1,2,1\n2,2,1,2,5\n", "several parents"),
        ("frame,track,y,x,y\n0,1,1,2,3\n", "2 columns y"),
        ("frame,track,y,x\n0,1e30,1,2\n", "track is 1e"),
    ],
)
def test_tables_that_hold_no_tracks_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_tracks(path)


@settings(max_examples=5, deadline=None)
@given(movies())
def test_features_cannot_take_the_place_of_columns(movie: Movie) -> None:
    count = len(movie.table.frame)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("Y", "x_um", "track_id"):
            table = replace(movie.table, features={name: np.zeros(count)})
            with pytest.raises(InputError, match="like another column"):
                write_tracks("csv", Path(folder) / "a.csv", table)
