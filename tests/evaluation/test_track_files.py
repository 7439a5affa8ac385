"""Tests of the evaluation of files of tracks."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.io.tracks.test_ctc import disc_movie

from napari_segany.cli.main import main
from napari_segany.core.callbacks import BatchEvent
from napari_segany.errors import InputError
from napari_segany.evaluation.api import evaluate
from napari_segany.evaluation.run import EvaluationFailure, PlaneEvaluation, evaluate_folder
from napari_segany.evaluation.tasks import EvaluationSettings
from napari_segany.evaluation.track_files import (
    evaluate_tracks,
    find_movies,
    movie_name,
    open_movie,
    pair_movies,
)
from napari_segany.io.save_labels import save_labels
from napari_segany.io.tracks.formats import write_tracks
from napari_segany.tracking import TrackedMovie


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The truth in a folder of the challenge, and a movie of the command ``track``."""
    table, labels = disc_movie()
    write_tracks("ctc-truth", tmp_path / "truth" / "cells_GT" / "TRA", table, labels.__getitem__)
    movie = TrackedMovie(table, labels.__getitem__, 4, labels.shape[1:])
    (tmp_path / "found").mkdir()
    save_labels(movie.to_labels(), tmp_path / "found" / "cells_tracks.ome.tif", axes="TYX")
    write_tracks("csv", tmp_path / "found" / "cells_tracks.csv", table)
    return tmp_path


def test_movies_are_found_by_their_names(folder: Path) -> None:
    for name in ("cells_labels.ome.tif", "cells_overlay.png", ".hidden.tif"):
        (folder / "found" / name).write_bytes(b"")
    (folder / "found" / "cells_RES").mkdir()
    (folder / "found" / "cells_RES" / "res_track.txt").write_text("")
    (found,) = find_movies([folder / "found"])
    assert found.name == "cells_tracks.ome.tif"
    truth = folder / "truth"
    assert list(pair_movies([found], truth)) == [(found, truth / "cells_GT")]
    assert list(pair_movies([found], truth / "cells_GT")) == [(found, truth / "cells_GT")]
    assert find_movies([truth / "cells_GT", truth]) == [truth / "cells_GT"]
    assert movie_name(truth / "cells_GT" / "TRA" / "man_track.txt") == "TRA"
    (failure,) = pair_movies([folder / "other_tracks.tif"], truth)
    assert isinstance(failure, EvaluationFailure)
    assert "no movie with the truth of other_tracks.tif" in failure.error
    with pytest.raises(InputError, match="one movie, and there are 2"):
        list(pair_movies([found, folder], truth / "cells_GT"))
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="holds no movie"):
        find_movies([folder / "empty"])
    with pytest.raises(InputError, match="There is no"):
        find_movies([folder / "nothing"])


def test_movies_are_the_same_in_every_form(folder: Path) -> None:
    pairs = list(pair_movies(find_movies([folder / "found"]), folder / "truth"))
    events: list[BatchEvent] = []
    (result,) = evaluate_tracks([p for p in pairs if isinstance(p, tuple)], progress=events.append)
    assert isinstance(result, PlaneEvaluation)
    values = result.values["tracks"]
    assert [values[name] for name in ("det", "seg", "tra", "lnk", "division_f1")] == [1.0] * 5
    assert (result.image, values["objects"], values["divisions"]) == ("cells", 7, 1)
    assert events[-1].done == 1


def test_labels_without_a_table_are_tracks_without_divisions(folder: Path) -> None:
    (folder / "found" / "cells_tracks.csv").unlink()
    with open_movie(folder / "found" / "cells_tracks.ome.tif") as movie:
        assert movie.table.spans == {1: (0, 2), 2: (0, 1), 3: (2, 2), 4: (2, 3)}
        assert not movie.table.parents


def test_a_plain_stack_is_a_movie(tmp_path: Path) -> None:
    table, labels = disc_movie()
    tifffile.imwrite(tmp_path / "a.tif", labels, photometric="minisblack")
    write_tracks("csv", tmp_path / "a.csv", table)
    with open_movie(tmp_path / "a.tif") as movie:
        assert (movie.count, movie.shape) == (4, (8, 20))
        assert dict(movie.table.parents) == {3: 2, 4: 2}
        assert movie.table.label.tolist() == table.label.tolist()
    write_tracks("csv", tmp_path / "x.csv", table)
    with pytest.raises(InputError), open_movie(tmp_path / "x.csv"):
        pass


def test_the_command_writes_scores(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "scores"
    base = ["evaluate", str(folder / "found"), "--truth", str(folder / "truth"), "-o", str(out)]
    assert main([*base, "--tasks", "tracks"]) == 0
    text = capsys.readouterr().out
    assert "division F1" in text
    written = json.loads((out / "evaluation.json").read_text())
    assert written["scores"]["tracks"]["TRA"] == 1
    assert written["movies"][0]["movie"] == "cells"
    # A movie that cannot be read costs no other.
    (folder / "found" / "odd.tif").write_bytes(b"II*\0")
    shutil.copytree(folder / "truth" / "cells_GT", folder / "truth" / "odd_GT")
    assert main([*base, "--tasks", "tracks", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["scores"]["tracks"]["LNK"] == 1
    assert "odd.tif" in captured.err
    for more, message in (
        (["--tasks", "tracks", "clicks"], "by themselves"),
        (["--tasks", "tracks", "--link", "z"], "goes with --tasks volumes"),
        (["--tasks", "tracks", "--compare", "watershed"], "for models"),
    ):
        assert main([*base, *more]) == 2
        assert message in capsys.readouterr().err


def test_models_have_no_tracks(tmp_path: Path) -> None:
    settings = EvaluationSettings(("tracks",))
    with pytest.raises(InputError, match="score_tracks"):
        evaluate([np.zeros((4, 4))], [np.zeros((4, 4), int)], [], settings)
    with pytest.raises(InputError, match="evaluate_tracks"):
        list(evaluate_folder([], [], settings, tmp_path))
