"""Files that earlier versions wrote, as they are in ``tests/earlier``, in this version.

The files of one version are in a folder of its name; ``tests/earlier/write.py`` wrote them.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.earlier.write import COMMANDS

from napari_segany.batch.manifest import FORMAT, ResultStore, describe_output, hash_content
from napari_segany.batch.report import make_report
from napari_segany.cli.main import main
from napari_segany.errors import InputError
from napari_segany.io.recipe_file import read_recipe, run_recipe
from napari_segany.recipe import RESULT, Recipe
from napari_segany.session import ArraySource, ArrayTarget, Session
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
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
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


VERSION = EARLIER / "d9773c5"
"""Everything that the version wrote before generators had names of their own."""

PRODUCTS = {
    "segment": ("a_recipe.json", "labels", ""),
    "edges": ("a_edges_recipe.json", "edges", "edges"),
    "proposals": ("a_proposals_recipe.json", "proposals", "proposals"),
}
"""By command: the recipe beside the results, its product, and the folder of its records."""


@pytest.fixture
def version(tmp_path: Path, tiny_model: Any, monkeypatch: Any) -> Path:
    """The version's files in a folder of the test, which is where commands run.

    The machine counts as the one that they were written on: on others a batch would be done again.
    """
    shutil.copytree(VERSION, tmp_path / "files")
    recipe = read_recipe(VERSION / "segment" / "a_recipe.json")
    names = ("torch_version", "instruction_set", "processor", "platform")
    then = {name: getattr(recipe, name) for name in names}
    monkeypatch.setattr("napari_segany.segmentation.machine", lambda: then)
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    monkeypatch.chdir(tmp_path / "files")
    return tmp_path / "files"


@pytest.fixture
def embedded(tiny_model: Any, monkeypatch: Any) -> list[tuple[int, ...]]:
    """Shapes of the planes that the model embedded."""
    seen: list[tuple[int, ...]] = []
    embed = tiny_model.embed

    def embedding(plane: Any, **named: Any) -> Any:
        seen.append(plane.shape)
        return embed(plane, **named)

    monkeypatch.setattr(tiny_model, "embed", embedding)
    return seen


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that a version wrote, by its place in a folder."""
    kept = (path for path in folder.rglob("*") if path.is_file())
    unwanted = ("segany_log.jsonl", "segany_report.html")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in kept
        if path.name not in unwanted and path.suffix != ".lock"
    }


@pytest.mark.parametrize("command", PRODUCTS)
def test_recipes_of_every_product_keep_their_bytes(command: str) -> None:
    name, product, _ = PRODUCTS[command]
    text = (VERSION / command / name).read_text()
    recipe = Recipe.from_json(text)
    assert recipe.product == product
    values = json.loads(text)
    values.pop(RESULT)
    assert recipe.to_json() == json.dumps(values, indent=2) + "\n"


@pytest.mark.parametrize(
    ("command", "options"),
    [*COMMANDS.items(), ("segment", ("--recipe", "segment/a_recipe.json"))],
    ids=[*COMMANDS, "segment with the recipe"],
)
def test_finished_batches_count_as_done(
    version: Path, embedded: list[Any], capsys: Any, command: str, options: tuple[str, ...]
) -> None:
    before = contents(version / command)
    assert main([command, "a.tif", "-o", command, *options]) == 0
    assert "done before" in capsys.readouterr().out
    assert embedded == []
    after = contents(version / command)
    record = str(Path(".segany", PRODUCTS[command][2], "a.json"))
    then, now = json.loads(before.pop(record)), json.loads(after.pop(record))
    assert after == before
    # Times of files are those of the copy; the hashes are kept.
    for key in ("key", "content", "format"):
        assert now[key] == then[key]


def test_interrupted_batches_go_on(version: Path, embedded: list[Any]) -> None:
    assert main(["segment", "a.tif", "-o", "interrupted", *COMMANDS["segment"]]) == 0
    assert embedded == [(24, 28, 3)] * 2
    made = tifffile.imread("interrupted/a_labels.ome.tif")
    whole = tifffile.imread("segment/a_labels.ome.tif")
    assert np.array_equal(made[0], whole[0])
    assert made.shape == whole.shape
    assert not Path("interrupted/.segany/a.work").exists()


def test_sessions_of_the_version_are_replayed(version: Path, tiny_model: Any) -> None:
    labels = replay(read_session(Path("session.json")), ArraySource(_stack()), tiny_model)
    with np.load("labels.npz") as kept:
        after = kept["after"]
    assert np.array_equal(labels, np.where(after == 5, 0, after))


def test_journals_of_the_version_are_restored(version: Path, tiny_model: Any) -> None:
    saved = read_journal(Path("journal.jsonl"), _stack().shape)
    assert (saved.damage, saved.closed) == ("", True)
    with np.load("labels.npz") as kept:
        before, after = kept["before"], kept["after"]
    session = Session(ArraySource(_stack()), tiny_model, ArrayTarget(before))
    session.restore(saved)
    assert np.array_equal(session.labels.data, after)  # type: ignore[attr-defined]
    assert [each.label for each in session.state.committed] == [6, 7, 8, 9]


def _stack() -> Any:
    return tifffile.imread(VERSION / "a.tif")


def _newer(path: Path, line: bool = False) -> Path:
    """Count up the format of a file."""
    first, *rest = path.read_text().split("\n") if line else [path.read_text()]
    values = json.loads(first)
    values["format"] += 1
    path.write_text("\n".join([json.dumps(values), *rest]))
    return path


def _restore(version: Path) -> Any:
    return read_journal(_newer(version / "journal.jsonl", line=True), _stack().shape)


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (
            lambda at: read_recipe(_newer(at / "segment" / "a_recipe.json")),
            "The recipe has format 2; this version reads format 1.",
        ),
        (lambda at: read_session(_newer(at / "session.json")), "format: input should be 1, got 2"),
        (_restore, "format: input should be 1, got 2"),
    ],
    ids=["recipe", "session", "journal"],
)
def test_files_of_newer_versions_are_refused_in_words(
    version: Path, read: Callable[[Path], Any], sentence: str
) -> None:
    with pytest.raises(InputError) as refused:
        read(version)
    assert sentence in str(refused.value)


def test_results_with_a_record_of_a_newer_version_are_made_again(
    version: Path, embedded: list[Any]
) -> None:
    """The recipe beside them still says that they are this package's own."""
    path = _newer(version / "segment" / ".segany" / "a.json")
    assert main(["segment", "a.tif", "-o", "segment", *COMMANDS["segment"]]) == 0
    assert len(embedded) == 3
    assert json.loads(path.read_text())["format"] == FORMAT


def test_recipes_of_generators_of_newer_versions_are_refused_in_words(version: Path) -> None:
    path = version / "segment" / "a_recipe.json"
    values = json.loads(path.read_text())
    values["params"] = {"strategy": "wavelets", "scale": 3}
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match="no generator 'wavelets'; this version knows grid, adapt"):
        read_recipe(path)
