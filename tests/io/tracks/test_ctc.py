"""Tests of folders of the Cell Tracking Challenge, read by the challenge's own tools, too."""

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from tests.effort import choose_count
from tests.io.tracks.movies import Movie, assert_same_tracks, movies

from napari_segany.errors import InputError
from napari_segany.io.tracks.ctc import MaskFiles
from napari_segany.io.tracks.formats import read_tracks, write_tracks
from napari_segany.linking.tracks.track_table import TrackTable


@settings(max_examples=choose_count(150, 25), deadline=None)
@given(movies())
def test_a_movie_comes_back(movie: Movie) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "01_RES"
        write_tracks("ctc", path, movie.table, movie.load, movie.count)
        found = read_tracks(path)
        assert_same_tracks(found.table, movie.table)
        masks = found.load_frame
        assert isinstance(masks, MaskFiles)
        assert (masks.count, masks.shape) == (movie.count, movie.labels.shape[1:])
        for frame in range(movie.count):
            np.testing.assert_array_equal(
                found.table.relabel_frame(frame, masks(frame)),
                movie.table.relabel_frame(frame, movie.load(frame)),
            )


@settings(max_examples=choose_count(60, 10), deadline=None)
@given(movies())
def test_other_programs_read_it(movie: Movie) -> None:
    from ctc_metrics.scripts.validate import validate_sequence
    from traccuracy.loaders import load_ctc_data

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = write_tracks("ctc", Path(folder) / "01_RES", movie.table, movie.load)
        # It warns of frames without a track, which movies may have.
        warnings.filterwarnings("ignore", "Empty frame")
        assert validate_sequence(str(path), threads=1) == {"Valid": 1}
        graph = load_ctc_data(str(path)).graph
        assert graph.number_of_nodes() == len(movie.table.frame)
        links = len(movie.table.frame) - len(movie.table.spans) + len(movie.table.parents)
        assert graph.number_of_edges() == links


def disc_movie() -> tuple[TrackTable, np.ndarray]:
    """A track with a gap (1), one that divides (2 into 3 and 4)."""
    labels = np.zeros((4, 8, 20), np.uint16)
    for frame, value, column in [
        (0, 9, 0),
        (2, 9, 0),
        (0, 8, 5),
        (1, 7, 5),
        (2, 5, 5),
        (2, 6, 10),
        (3, 6, 11),
    ]:
        labels[frame, 2:4, column : column + 2] = value
    rows = [(0, 1, 9), (0, 2, 8), (1, 2, 7), (2, 1, 9), (2, 3, 5), (2, 4, 6), (3, 4, 6)]
    frame, track, label = np.array(rows, np.int64).T
    position = np.array(
        [np.argwhere(labels[f] == value).mean(axis=0) for f, _, value in rows], np.float64
    )
    table = TrackTable(
        frame,
        track,
        label,
        position,
        np.full(7, 4),
        np.full(7, np.nan),
        {3: 2, 4: 2},
    )
    return table, labels


def test_a_gap_is_a_track_of_its_own_with_a_parent(tmp_path: Path) -> None:
    table, labels = disc_movie()
    path = write_tracks("ctc-truth", tmp_path / "TRA", table, labels.__getitem__)
    assert sorted(p.name for p in path.iterdir()) == [
        "man_track.txt",
        *(f"man_track00{i}.tif" for i in range(4)),
    ]
    text = (path / "man_track.txt").read_text("ascii")
    assert text == "1 0 0 0\n2 0 1 0\n3 2 2 2\n4 2 3 2\n5 2 2 1\n"
    mask = tifffile.imread(path / "man_track002.tif")
    assert mask.dtype == np.uint16
    assert np.unique(mask).tolist() == [0, 3, 4, 5]
    # The folder of a sequence, the folder itself and its list are the same to readers.
    for given_path in (tmp_path, path, path / "man_track.txt"):
        assert_same_tracks(read_tracks(given_path).table, table)


def test_ids_beyond_16_bits_are_numbered_anew(tmp_path: Path) -> None:
    table, labels = disc_movie()
    far = replace(table, track=table.track + 70_000, parents={70_003: 70_002, 70_004: 70_002})
    path = write_tracks("ctc", tmp_path / "out", far, labels.__getitem__)
    assert_same_tracks(read_tracks(path).table, table)


def test_too_many_tracks_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    count = 2**16
    ids = np.arange(1, count + 1)
    table = TrackTable(
        np.zeros(count, np.int64), ids, ids, np.zeros((count, 2)), ids, np.full(count, np.nan)
    )
    with pytest.raises(InputError, match=r"65536 tracks .* hold 65535"):
        write_tracks("ctc", tmp_path / "out", table, lambda _: np.zeros((4, 4), int))
    assert list(tmp_path.iterdir()) == []


def test_labels_without_an_object_of_the_table_are_refused(tmp_path: Path) -> None:
    table, labels = disc_movie()
    labels[2][labels[2] == 6] = 0
    with pytest.raises(InputError, match="frame 2 have no object 6"):
        write_tracks("ctc", tmp_path / "out", table, labels.__getitem__)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="axes YX"):
        write_tracks("ctc", tmp_path / "out", table, lambda frame: labels[frame][None])
    with pytest.raises(InputError, match="give the labels"):
        write_tracks("ctc", tmp_path / "out", table)
    with pytest.raises(InputError, match="up to frame 3; the movie has 3"):
        write_tracks("ctc", tmp_path / "out", table, labels.__getitem__, 3)


def test_a_folder_with_other_files_stays(tmp_path: Path) -> None:
    table, labels = disc_movie()
    path = write_tracks("ctc", tmp_path / "out", table, labels.__getitem__)
    write_tracks("ctc-truth", path, table, labels.__getitem__)
    assert not (path / "res_track.txt").exists()
    (path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        write_tracks("ctc", path, table, labels.__getitem__)
    assert (path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 x 0\n", "line 1 is '1 0 x 0'"),
        ("1 0 1\n", "four whole numbers"),
        ("0 0 1 0\n", "four whole numbers"),
        ("1 1 0 0\n", "four whole numbers"),
        ("1 0 0 0\n1 1 1 0\n", "listed twice"),
        ("1 0 0 0\n2 1 1 7\n", "parent 7 of track 2 is not listed"),
        ("1 0 1 0\n2 1 1 1\n", "ends later"),
        ("1 0 99999999 0\n", "masks of 2 frames"),
        ("1 0 0 0\n", "track 1 is not in the list, but in the mask of frame 1"),
        ("1 0 1 0\n2 0 0 0\n", "track 2 is in the list, but not in the mask of frame 0"),
        ("\x00\xff", "four whole numbers"),
    ],
)
def test_lists_that_do_not_hold_are_refused(tmp_path: Path, text: str, message: str) -> None:
    for frame in range(2):
        tifffile.imwrite(tmp_path / f"mask00{frame}.tif", np.eye(5, dtype=np.uint16))
    (tmp_path / "res_track.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_tracks(tmp_path)


def test_masks_that_do_not_hold_are_refused(tmp_path: Path) -> None:
    (tmp_path / "res_track.txt").write_text("1 0 1 0\n")
    with pytest.raises(InputError, match="holds no masks mask000"):
        read_tracks(tmp_path)
    tifffile.imwrite(tmp_path / "mask001.tif", np.eye(5, dtype=np.uint16))
    with pytest.raises(InputError, match="no mask of frame 0"):
        read_tracks(tmp_path)
    (tmp_path / "mask000.tif").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"mask000\.tif"):
        read_tracks(tmp_path)
    tifffile.imwrite(tmp_path / "mask000.tif", np.eye(4, dtype=np.uint16))
    with pytest.raises(InputError, match="one shape"):
        read_tracks(tmp_path)
    tifffile.imwrite(tmp_path / "mask000.tif", np.full((5, 5), 0.5, np.float32))
    with pytest.raises(InputError, match="whole numbers"):
        read_tracks(tmp_path)


def test_a_folder_without_tracks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder of tracks"):
        read_tracks(tmp_path)
    with pytest.raises(InputError, match="There is no file"):
        read_tracks(tmp_path / "missing")
