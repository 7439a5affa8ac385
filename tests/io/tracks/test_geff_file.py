"""Tests of GEFF, checked by its own library."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import geff
import numpy as np
import pytest
from geff.core_io import read_to_memory, write_arrays
from geff.validate.data import ValidationConfig
from hypothesis import given, settings
from tests.effort import choose_count
from tests.io.tracks.movies import Movie, assert_same, movies
from zarr.storage import LocalStore

from napari_segany.errors import InputError
from napari_segany.io.tracks.formats import read_tracks, write_tracks
from napari_segany.linking.tracks.track_graph import links_of
from napari_segany.linking.tracks.track_table import TrackTable


@settings(max_examples=choose_count(20, 5), deadline=None)
@given(movies(with_features=True))
def test_a_graph_comes_back_and_is_valid(movie: Movie) -> None:
    table = movie.table
    with tempfile.TemporaryDirectory() as folder:
        path = write_tracks("geff", Path(folder) / "a~b_tracks.geff", table)
        found = read_tracks(path)
        assert found.load_frame is None
        assert_same(found.table, table)
        assert dict(found.table.pixel_size) == dict(table.pixel_size)
        memory = read_to_memory(LocalStore(path))
    links = links_of(table)
    np.testing.assert_array_equal(memory["edge_ids"], links)
    meta = memory["metadata"]
    alone = any(len(children) == 1 for children in table.children.values())
    assert ("tracklet" in meta.track_node_props) is not alone
    config = ValidationConfig(graph=True, lineage=True, tracklet=not alone)
    geff.validate.data.validate_data(memory, config)


def small() -> TrackTable:
    return TrackTable(
        np.array([0, 1, 2, 2]),
        np.array([1, 1, 2, 3]),
        np.array([4, 4, 5, 6]),
        np.array([[1.0, 2], [1, 3], [2, 3], [2, 4]]),
        np.array([5, 5, 5, 5]),
        np.array([np.nan, 0.5, 0.25, 1.0]),
        {2: 1, 3: 1},
        pixel_size={"Y": (0.5, "um"), "X": (0.5, "um"), "T": (2.0, "min")},
        features={"a/b": np.array([1.5, np.nan, 2, 3]), "A_b": np.array([True, False, True, True])},
    )


def test_the_library_reads_axes_with_units(tmp_path: Path) -> None:
    path = write_tracks("geff", tmp_path / "tracks.geff", small())
    graph, meta = geff.read(path, backend="networkx")
    assert sorted(graph.edges) == [(0, 1), (1, 2), (1, 3)]
    assert graph.nodes[3]["x"] == 4
    assert [(a.name, a.type, a.unit, a.scale, a.scaled_unit) for a in meta.axes] == [
        ("t", "time", "frame", 2.0, "minute"),
        ("y", "space", "pixel", 0.5, "micrometer"),
        ("x", "space", "pixel", 0.5, "micrometer"),
    ]
    found = read_tracks(path).table
    assert list(found.features) == ["a/b", "A_b"]
    assert found.features["A_b"].tolist() == [1, 0, 1, 1]


def test_an_empty_table_is_written(tmp_path: Path) -> None:
    table = small()
    empty = table.take(np.zeros(4, bool))
    path = write_tracks("geff", tmp_path / "tracks.geff", empty)
    assert len(read_tracks(path).table.frame) == 0


def test_a_graph_is_replaced_and_another_folder_is_not(tmp_path: Path) -> None:
    path = write_tracks("geff", tmp_path / "tracks.geff", small())
    write_tracks("geff", path, small().take(np.array([True, True, False, False])))
    assert len(read_tracks(path).table.frame) == 2
    (path / "image").mkdir()
    with pytest.raises(InputError, match="other files"):
        write_tracks("geff", path, small())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("x")
    with pytest.raises(InputError, match="other files"):
        write_tracks("geff", tmp_path / "mine", small())


def foreign(path: Path, edges: list[tuple[int, int]], **more: np.ndarray) -> Path:
    """A graph as other programs write it: physical units, ids in any order, no tracks."""
    props = {
        "t": np.array([20.0, 0.0, 10.0, 20.0]),
        "y": np.array([1.0, 2, 3, 4]),
        "x": np.array([5.0, 6, 7, 8]),
    } | more
    metadata = geff.GeffMetadata(
        directed=True,
        axes=[
            {"name": "t", "type": "time", "unit": "second"},
            {"name": "y", "type": "space", "unit": "micrometer"},
            {"name": "x", "type": "space", "unit": "micrometer"},
        ],
        node_props_metadata={},
        edge_props_metadata={},
    )
    write_arrays(
        path,
        np.array([7, 3, 9, 4], np.uint64),
        {name: {"values": values, "missing": None} for name, values in props.items()},
        np.array(edges, np.uint64).reshape(-1, 2),
        {},
        metadata,
    )
    return path


def test_a_graph_of_another_program_is_read(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.geff", [(3, 9), (9, 7), (9, 4)], t=np.array([1.0, 0, 0.5, 1]))
    table = read_tracks(path).table
    assert table.frame.tolist() == [0, 1, 2, 2]
    assert table.position[:, 0].tolist() == [2, 3, 1, 4]
    assert table.track.tolist() == [2, 2, 1, 3]
    assert dict(table.parents) == {1: 2, 3: 2}
    assert table.pixel_size == {"Y": (1.0, "um"), "X": (1.0, "um"), "T": (0.5, "s")}


def test_one_time_that_is_no_whole_number_is_a_frame(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.geff", [], t=np.full(4, 0.5))
    assert read_tracks(path).table.frame.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("edges", "more", "message"),
    [
        ([(3, 9), (3, 1)], {}, "not there"),
        ([(7, 4)], {}, "one frame are linked"),
        ([(3, 7), (9, 7)], {}, "merge into one object of frame 20"),
        ([], {"t": np.array([0.0, 1.0, 1.3, 5.0])}, "evenly spaced"),
        ([], {"t": np.array([0.0, -1.0, 1, 5.0])}, "time is -1"),
        ([], {"t": np.array([0.0, np.nan, 1, 5.0])}, "time is nan"),
        ([], {"x": np.array([0.0, np.inf, 1, 5.0])}, "no number"),
    ],
)
def test_graphs_that_are_no_tracks_are_refused(
    tmp_path: Path, edges: list[tuple[int, int]], more: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_tracks(foreign(tmp_path / "a.geff", edges, **more))


def test_damaged_and_hostile_folders_are_refused(tmp_path: Path) -> None:
    path = write_tracks("geff", tmp_path / "tracks.geff", small())
    array = path / "nodes" / "ids" / ".zarray"
    text = array.read_text()
    about = json.loads(text)
    array.write_text(json.dumps(about | {"filters": [{"id": "pickle", "protocol": 5}]}))
    with pytest.raises(InputError, match="can run programs"):
        read_tracks(path)
    array.write_text(text)
    for name in ("nodes/ids", "edges/ids"):
        file = path / name / ".zarray"
        kept = file.read_text()
        shape = [10**12, *json.loads(kept)["shape"][1:]]
        file.write_text(json.dumps(json.loads(kept) | {"shape": shape}))
        with pytest.raises(InputError, match=r"cannot be read as GEFF|are read"):
            read_tracks(path)
        file.write_text(kept)
    array.write_text("{")
    with pytest.raises(InputError, match="damaged"):
        read_tracks(path)
    array.write_text(text)
    (path / "nodes" / "props" / "y" / "values" / ".zarray").unlink()
    with pytest.raises(InputError, match="cannot be read as GEFF"):
        read_tracks(path)


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "geff", None)
    with pytest.raises(InputError, match=r"napari-segany\[tracks\]"):
        write_tracks("geff", tmp_path / "a.geff", replace(small()))
    assert list(tmp_path.iterdir()) == []
