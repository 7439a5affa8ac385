"""Files that earlier versions wrote, as they are in ``tests/earlier``, in this version."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany.batch.manifest import FORMAT, ResultStore, describe_output, hash_content
from napari_segany.batch.report import make_report
from napari_segany.cli.main import main
from napari_segany.io.recipe_file import read_recipe, run_recipe
from napari_segany.session import ArraySource, Session
from napari_segany.session.journal import read_journal
from napari_segany.session.replay import replay
from napari_segany.session.session_file import read_session

EARLIER = Path(__file__).parent / "earlier"
STACK = np.random.default_rng(0).integers(0, 255, (2, 40, 50)).astype(np.uint8)
"""The image that the session was about."""

RESULTS = ("coins_labels.ome.tif", "coins_table.csv", "coins_overlay.png", "coins_recipe.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image, and results of it as format 1 has them, with their record."""
    tifffile.imwrite(tmp_path / "coins.tif", np.kron(STACK[0, :8, :8], np.ones((8, 8), np.uint8)))
    out = tmp_path / "out"
    (out / ".segany").mkdir(parents=True)
    record = json.loads((EARLIER / "record.json").read_text())
    record["content"] = hash_content([tmp_path / "coins.tif"])
    assert record["format"] == 1 < FORMAT
    assert tuple(record["outputs"]) == RESULTS
    for name in RESULTS:
        content = (EARLIER / "recipe.json").read_bytes() if "recipe" in name else name.encode()
        (out / name).write_bytes(content)
        record["outputs"][name] = asdict(describe_output(out / name))
    (out / ".segany" / "coins.json").write_text(json.dumps(record))
    return out


@pytest.fixture
def segment(tmp_path: Path, tiny_model: Any, monkeypatch: Any) -> Any:
    """Do the image again as the command line does; gives the exit code."""
    monkeypatch.setattr("napari_segany.models.sam.model.load_model", lambda *_, **__: tiny_model)
    image, recipe = tmp_path / "coins.tif", EARLIER / "recipe.json"
    where = ("-o", str(tmp_path / "out"), "--recipe", str(recipe))
    return lambda *more: main(["segment", str(image), *where, *more])


def test_results_of_an_earlier_version_are_made_again(folder: Path, segment: Any) -> None:
    record = ResultStore(folder).read("coins")
    assert record is not None
    assert record.summary.objects == 7
    assert "coins" in make_report({"coins": record})

    assert segment() == 0

    assert tifffile.imread(folder / RESULTS[0]).shape == (64, 64)
    record = ResultStore(folder).read("coins")
    assert record is not None
    assert record.format == FORMAT


def test_the_format_alone_makes_results_be_made_again(
    folder: Path, segment: Any, monkeypatch: Any, capsys: Any
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("napari_segany.batch.preparation.FORMAT", FORMAT - 1)
        assert segment() == 0
    capsys.readouterr()
    assert segment() == 0
    assert "done before" not in capsys.readouterr().out
    assert segment() == 0
    assert "done before" in capsys.readouterr().out


def test_results_of_an_earlier_version_changed_by_hand_stay(
    folder: Path, segment: Any, capsys: Any
) -> None:
    (folder / RESULTS[0]).write_bytes(b"painted by hand")
    assert segment() == 1
    assert "was changed since it was made; give --overwrite" in capsys.readouterr().err
    assert (folder / RESULTS[0]).read_bytes() == b"painted by hand"


@pytest.mark.parametrize("text", ["", "{", None])
def test_without_their_record_they_are_refused_in_words(
    folder: Path, segment: Any, capsys: Any, text: str | None
) -> None:
    """Their recipe does not yet say what they are, so they may be anybody's."""
    record = folder / ".segany" / "coins.json"
    if text is None:
        record.unlink()
    else:
        record.write_text(text)
    assert segment() == 1
    assert "is there already; give --overwrite or another folder" in capsys.readouterr().err
    assert (folder / RESULTS[0]).read_bytes() == RESULTS[0].encode()
    assert segment("--overwrite") == 0


def test_finished_planes_of_an_earlier_version_are_done_again(folder: Path, segment: Any) -> None:
    work = folder / ".segany" / "coins.work"
    work.mkdir()
    recipe = (EARLIER / "recipe.json").read_text()
    (work / "header.json").write_text(json.dumps({"key": "0" * 64, "recipe": recipe}))
    (work / "plane_000000.npz").write_bytes(b"of another format")
    assert segment() == 0
    assert not work.exists()


def test_recipes(tiny_model: Any) -> None:
    recipe = read_recipe(EARLIER / "recipe.json")
    assert (recipe.product, recipe.processor, recipe.params.points_per_side) == ("labels", "", 4)
    assert run_recipe(recipe, STACK, model=tiny_model).shape == STACK.shape


def test_sessions(tiny_model: Any) -> None:
    kept = read_session(EARLIER / "session.json")
    labels = replay(kept, ArraySource(STACK), tiny_model)
    assert np.unique(labels[0]).tolist() == [0, 1]
    assert np.unique(labels[1]).tolist() == [0, 2]


def test_journals(tiny_model: Any) -> None:
    saved = read_journal(EARLIER / "journal.jsonl", STACK.shape)
    assert (saved.damage, saved.closed, saved.count) == ("", False, 3)
    session = Session(ArraySource(STACK), tiny_model)
    session.restore(saved)
    data = session.labels.data  # type: ignore[attr-defined]
    assert [np.unique(plane).tolist() for plane in data] == [[0, 1], [0, 2]]
    assert (data == 1).sum() == 535
    assert session.state.active == 4
