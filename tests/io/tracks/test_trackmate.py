"""Tests of TrackMate's XML, read by another program, too."""

import tempfile
import warnings
from pathlib import Path
from xml.etree import ElementTree

import geff
import numpy as np
import pytest
from geff.convert import from_trackmate_xml_to_geff
from hypothesis import given, settings
from tests.effort import choose_count
from tests.io.tracks.movies import Movie, assert_same, movies

from napari_segany.errors import InputError
from napari_segany.io.tracks.formats import read_tracks, write_tracks
from napari_segany.linking.tracks.track_table import TrackTable


@settings(max_examples=choose_count(200, 40), deadline=None)
@given(movies(with_features=True))
def test_tracks_come_back(movie: Movie) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_tracks("trackmate", Path(folder) / "a.xml", movie.table, movie.load)
        found = read_tracks(path)
        root = ElementTree.parse(path).getroot()
    assert_same(found.table, movie.table)
    for axis, (size, unit) in found.table.pixel_size.items():
        wanted = movie.table.pixel_size[axis]
        assert (pytest.approx(wanted[0], rel=1e-12), wanted[1]) == (size, unit)
    image = root.find("Settings/ImageData")
    assert image is not None
    assert int(image.attrib["width"]) == movie.labels.shape[-1]


@settings(max_examples=choose_count(20, 4), deadline=None)
@given(movies(axes="YX"))
def test_another_program_reads_it(movie: Movie) -> None:
    table = movie.table
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_tracks("trackmate", Path(folder) / "a.xml", table, movie.load)
        from_trackmate_xml_to_geff(path, Path(folder) / "a.geff")
        graph, _ = geff.read(Path(folder) / "a.geff", backend="networkx")
    links = len(table.frame) - len(table.spans) + len(table.parents)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (len(table.frame), links)
    for row, (y, x) in enumerate(table.position):
        assert graph.nodes[row]["POSITION_X"] == pytest.approx(x * table.pixel_size["X"][0])
        assert graph.nodes[row]["POSITION_Y"] == pytest.approx(y * table.pixel_size["Y"][0])


FILE = """<?xml version="1.0" encoding="UTF-8"?>
<TrackMate version="7.11.1">
  <Log>Some text &amp; more</Log>
  <Model spatialunits="micron" timeunits="sec">
    <FeatureDeclarations>
      <SpotFeatures>
        <Feature feature="QUALITY" name="Quality" shortname="Q" dimension="Q" isint="false" />
        <Feature feature="FRAME" name="Frame" shortname="F" dimension="NONE" isint="true" />
        <Feature feature="CELLS" name="Cells" shortname="C" dimension="NONE" isint="true" />
      </SpotFeatures>
    </FeatureDeclarations>
    <AllSpots nspots="6">
      <SpotsInFrame frame="0">
        <Spot ID="12" FRAME="0" POSITION_X="2.0" POSITION_Y="1.0" POSITION_Z="0.0" QUALITY="7.5"
          CELLS="3" ROI_N_POINTS="3">-1 0 1 0 0 1</Spot>
        <Spot ID="11" FRAME="0" POSITION_X="20.0" POSITION_Y="1.0" POSITION_Z="0.0" CELLS="1" />
      </SpotsInFrame>
      <SpotsInFrame frame="1">
        <Spot ID="5" FRAME="1" POSITION_X="3.0" POSITION_Y="1.0" POSITION_Z="0.0" CELLS="1" />
        <Spot ID="6" FRAME="1" POSITION_X="4.0" POSITION_Y="1.0" POSITION_Z="0.0" CELLS="1" />
        <Spot ID="1" FRAME="1" POSITION_X="30.0" POSITION_Y="1.0" POSITION_Z="0.0" CELLS="1" />
        <Spot ID="2" FRAME="2" POSITION_X="40.0" POSITION_Y="1.0" POSITION_Z="0.0" CELLS="1" />
      </SpotsInFrame>
    </AllSpots>
    <AllTracks>
      <Track name="a" TRACK_ID="0">
        <Edge SPOT_SOURCE_ID="5" SPOT_TARGET_ID="12" />
        <Edge SPOT_SOURCE_ID="12" SPOT_TARGET_ID="6" />
      </Track>
      <Track name="b" TRACK_ID="1"><Edge SPOT_SOURCE_ID="1" SPOT_TARGET_ID="2" /></Track>
    </AllTracks>
    <FilteredTracks><TrackID TRACK_ID="0" /></FilteredTracks>
  </Model>
  <Settings>
    <ImageData nslices="1" pixelwidth="0.5" pixelheight="0.25" timeinterval="30" />
  </Settings>
</TrackMate>
"""


def test_a_file_of_trackmate_is_read(tmp_path: Path) -> None:
    """Tracks that are not shown, and spots without a track, are left out."""
    path = tmp_path / "a.xml"
    path.write_text(FILE)
    table = read_tracks(path).table
    assert table.frame.tolist() == [0, 1, 1]
    assert table.track.tolist() == [1, 2, 3]
    assert dict(table.parents) == {2: 1, 3: 1}
    assert table.position.tolist() == [[4, 4], [4, 6], [4, 8]]
    assert table.pixel_size == {"T": (30.0, "s"), "Y": (0.25, "um"), "X": (0.5, "um")}
    np.testing.assert_array_equal(table.features["QUALITY"], [7.5, np.nan, np.nan])
    assert table.features["CELLS"].tolist() == [3, 1, 1]
    assert table.features["CELLS"].dtype == np.int64


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('ID="12" FRAME', 'ID="x" FRAME', "ID of a spot or an edge is 'x'"),
        ('ID="12" FRAME', 'ID="nan" FRAME', "ID of a spot or an edge is 'nan'"),
        ('ID="12" FRAME', 'ID="11" FRAME', "same ID"),
        ('SOURCE_ID="12"', 'SOURCE_ID="99"', "not there"),
        ('FRAME="1" POSITION_X="3.0"', 'FRAME="0" POSITION_X="3.0"', "one frame are linked"),
        ('FRAME="0" POSITION_X="2.0"', 'FRAME="0.5" POSITION_X="2.0"', "frame is 0.5"),
        ('POSITION_X="2.0"', "", "POSITION_X of a spot or an edge is missing"),
        ('POSITION_X="2.0"', 'POSITION_X="NaN"', "position of an object is no number"),
        ('TARGET_ID="6" />', 'TARGET_ID="6" /><Edge SPOT_SOURCE_ID="11" SPOT_TARGET_ID="6" />',
         "merge"),
        ("</Model>", "", "no XML that can be read"),
        ("<TrackMate version", '<!DOCTYPE t [<!ENTITY a "b">]><TrackMate version', "entities"),
    ],
)  # fmt: skip
def test_damaged_and_hostile_files_are_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in FILE
    path = tmp_path / "a.xml"
    path.write_text(FILE.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_tracks(path)


def test_no_tracks_are_written_for_no_frames(tmp_path: Path) -> None:
    none = np.zeros(0, np.int64)
    empty = TrackTable(none, none, none, np.zeros((0, 2)), none, np.zeros(0))
    path = write_tracks("trackmate", tmp_path / "a.xml", empty, [].__getitem__)
    with pytest.raises(InputError, match="no spots"):
        read_tracks(path)


def test_other_xml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<html><body>hello</body></html>")
    with pytest.raises(InputError, match="no spots of TrackMate"):
        read_tracks(path)
    features = "".join(f'<Feature feature="F{i}" />' for i in range(1001))
    path.write_text(f"<TrackMate><SpotFeatures>{features}</SpotFeatures></TrackMate>")
    with pytest.raises(InputError, match="more than 1000 features"):
        read_tracks(path)
