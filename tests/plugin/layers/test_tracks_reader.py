"""Files of tracks opened by napari's readers, in a viewer without a window."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer
from npe2 import PluginManifest
from tests.io.tracks.movies import assert_same_tracks
from tests.io.tracks.test_ctc import disc_movie

import napari_segany
from napari_segany.io.tracks.formats import write_tracks
from napari_segany.plugin.layers.reader_writer import get_reader as get_labels_reader
from napari_segany.plugin.layers.tracks_layer import stored_table
from napari_segany.plugin.layers.tracks_reader import get_reader


@pytest.mark.parametrize(
    ("kind", "listed"),
    [("ctc", True), ("ctc", False), ("ctc-truth", True), ("geff", False), ("trackmate", False)],
)
def test_napari_opens_tracks(tmp_path: Path, kind: str, listed: bool) -> None:
    table, labels = disc_movie()
    path = write_tracks(kind, tmp_path / "01_tracks.x", table, labels.__getitem__)
    if listed:
        (path,) = path.glob("*_track.txt")
    reader = get_reader(str(path))
    assert reader is not None
    # napari asks the reader of labels first for every folder.
    assert (get_labels_reader(str(path)) is None) == path.is_dir()
    layers = {kind: Layer.create(*rest, kind) for *rest, kind in reader(str(path))}
    tracks: Any = layers["tracks"]
    assert tracks.name == "01 tracks"
    assert len(tracks.data) == len(table.frame)
    assert set(tracks.graph) == {3, 4}
    if kind.startswith("ctc"):
        shown: Any = layers["labels"]
        expected = [table.relabel_frame(frame, labels[frame]) for frame in range(4)]
        np.testing.assert_array_equal(shown.data, expected)
        stored = stored_table(shown.metadata)
        assert stored is not None
        assert_same_tracks(stored, table)


def test_the_manifest_names_the_reader() -> None:
    manifest = PluginManifest.from_file(Path(napari_segany.__file__).parent / "napari.yaml")
    readers = manifest.contributions.readers or []
    patterns = {each.command: each.filename_patterns for each in readers}
    assert {"*.geff", "*_RES"} <= set(patterns["napari-segany.read_tracks"])


def test_other_folders_are_left_to_other_readers(tmp_path: Path) -> None:
    (tmp_path / "my_RES").mkdir()
    assert get_reader(str(tmp_path / "my_RES")) is None
    assert get_reader(str(tmp_path / "nothing.geff")) is None
