"""Links over time from the command line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.linking.tracks.movies import moving_discs

import napari_segany as sa
from napari_segany.cli.main import main
from napari_segany.io.tracks.formats import read_tracks

MOVIE = moving_discs(2, frames=4, count=6, shape=(60, 70), radius=5, step=1.0)
SIZES = {"T": (2.0, "min"), "Y": (0.5, "um"), "X": (0.5, "um")}


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return sa.save_labels(MOVIE.labels, tmp_path / "cells_labels.ome.tif", "TYX", SIZES)


def run(labels: Path, *options: str) -> tuple[int, Path]:
    out = labels.parent / "out"
    return main(["track", str(labels), *options, "-o", str(out)]), out


def test_labels_become_tracks_with_a_table_and_a_record(labels: Path, capsys):
    code, out = run(labels)
    assert code == 0
    expected = sa.track(MOVIE.labels, pixel_size=SIZES)
    assert (tifffile.imread(out / "cells_tracks.ome.tif") == expected.to_labels()).all()
    rows = list(csv.DictReader((out / "cells_tracks.csv").read_text().splitlines()))
    assert [int(row["track"]) for row in rows] == expected.table.track.tolist()
    assert float(rows[-1]["time_min"]) == 6.0
    assert float(rows[0]["y_um"]) == pytest.approx(0.5 * float(rows[0]["y"]))
    record = json.loads((out / "cells_tracks.json").read_text())
    assert record["tracking"]["max_gap"] == 1
    assert record["tracks"] == 6
    assert record["estimated_max_distance"]["unit"] == "um"
    said = capsys.readouterr().out
    assert "estimated from the movie" in said
    assert "24 objects, 6 tracks, 0 divisions in 4 frames" in said
    # The same files again, byte for byte, and only if that is asked for.
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run(labels)[0] == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(labels, "--overwrite")[0] == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_options_reach_the_links(labels: Path, capsys):
    image = labels.parent / "cells.tif"
    tifffile.imwrite(
        image,
        np.where(MOVIE.labels, 9, 1).astype(np.uint8),
        photometric="minisblack",
        metadata={"axes": "TYX"},
    )
    code, out = run(
        *(labels, "--image", str(image), "--max-distance", "0.001", "--json"),
        *("--pixel-size", "Y=1um,X=1um", "--no-divisions"),
    )
    assert code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["tracks"] == said["objects"] == 24
    assert said["tracking"]["divisions"] is False
    assert "estimated_max_distance" not in said
    rows = list(csv.DictReader((out / "cells_tracks.csv").read_text().splitlines()))
    assert {row["intensity"] for row in rows} == {"9.0"}
    assert rows[0]["y_um"] == rows[0]["y"]


def test_other_formats_are_written_and_read_as_tracks(labels: Path, capsys):
    code, out = run(labels, "--format", "ctc", "geff", "trackmate")
    assert code == 0
    own = sa.track(labels).table
    for name in ("cells_RES", "cells_tracks.geff", "cells_trackmate.xml", "cells_tracks.csv"):
        read = read_tracks(out / name).table
        assert read.spans == own.spans
    again = labels.parent / "again"
    assert main(["track", str(out / "cells_RES"), "-o", str(again)]) == 0
    assert (tifffile.imread(again / "cells_RES_tracks.ome.tif") > 0).sum() == (
        MOVIE.labels > 0
    ).sum()
    assert main(["track", str(out / "cells_RES"), "--relink", "-o", str(again), "--overwrite"]) == 0
    record = json.loads((again / "cells_RES_tracks.json").read_text())
    assert record["tracking"]["max_gap"] == 1
    # Files without masks give a table, and the formats without masks.
    xml = out / "cells_trackmate.xml"
    assert main(["track", str(xml), "-o", str(again), "--format", "trackmate"]) == 0
    assert not (again / "cells_trackmate_tracks.ome.tif").exists()
    assert (again / "cells_trackmate_tracks.csv").exists()
    capsys.readouterr()
    for options, sentence in [
        ([xml, "--relink"], "no masks"),
        ([out / "cells_RES", "--max-gap", "2"], "--relink"),
        ([xml, "--format", "ctc"], "holds masks"),
        ([labels, "--relink"], "no file of tracks"),
    ]:
        assert main(["track", *map(str, options), "-o", str(labels.parent / "no")]) == 2
        assert sentence in capsys.readouterr().err
    assert not (labels.parent / "no").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--axes", "ZYX"], "linked along T"),
        (["--axes", "YX"], "Axes YX were given"),
        (["--pixel-size", "Y=0.2"], "is not such as"),
        (["--pixel-size", "Y=0.2parsec"], "pixel size along Y"),
        (["--max-gap", "9"], "max_gap"),
        (["--image", "nothing.tif"], "There is no file"),
    ],
)
def test_what_cannot_be_linked_is_refused_in_a_sentence(labels: Path, capsys, options, sentence):
    try:
        code, out = run(labels, *options)
    except SystemExit as end:
        code, out = end.code, labels.parent / "out"
    assert code == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(("stated", "said"), [("", True), ("TYX", False)])
def test_axes_that_are_stated_are_no_guess(labels: Path, caplog, stated: str, said: bool):
    # Four planes without names look like the samples of colours.
    planes = tifffile.imread(labels).astype(np.uint8)
    write = {"photometric": "rgb", "planarconfig": "separate", "metadata": None}
    tifffile.imwrite(labels, planes, **write)
    run(labels, *(("--axes", stated) if stated else ()))
    assert ("sample" in caplog.text) is said
