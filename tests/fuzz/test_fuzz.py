"""Hundreds of files that are wrong somewhere, through the command line and through Python.

Whatever they are, nobody sees a traceback, exit codes are right, and good files beside them are
done. Every file is made from its number, so a failure is repeated by its number alone.
"""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.effort import choose_count
from tests.fuzz import images, labels, tables
from tests.fuzz.documents import make_document

import napari_segany as sa
from napari_segany import Recipe, SamModel
from napari_segany.cli.main import main
from napari_segany.errors import SeganyError
from napari_segany.io.detections import TableImage, read_detections
from napari_segany.io.read import open_image
from napari_segany.session import ArraySource, Session, provenance, replay
from napari_segany.session.session_file import read_session

IMAGES = choose_count(160, 64)
LABELS, RECIPES, SESSIONS = choose_count(90, 45), choose_count(80, 40), choose_count(60, 30)
TABLES = 110
NAMES = (
    *("=1+1;cmd|' calc'!A0.tif", "@SUM(A1).tif", "a'onerror='x.tif", "<b>&amp;.tif", "-o.tif"),
    *("\x1b[31mred.tif", "two\nlines.tif", "细胞.tif", "é" * 60 + ".tif", "a b\tc.tif", "%s%d.tif"),
    *("[x].tif", "UPPER.TIF", "x.ome.tiff", ".ome.tif", "no_ending", "tail .tif", "x_labels.tif"),
    *("x_masks.tif", "recipe.json.tif", "con.tif", "...tif"),
)
FAST = (
    *("--points-per-side", "1", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"),
    *("--max-area-fraction", "1"),
)
SHAPE = (48, 64)

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def tiny(tiny_model: SamModel, monkeypatch: Any) -> SamModel:
    """The command line finds the tiny model, on one thread."""
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    return tiny_model


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """An image that nothing is wrong with."""
    path = tmp_path / "good.tif"
    pixels = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
    tifffile.imwrite(path, pixels, photometric="minisblack")
    return path


def assert_plain(text: str, what: object) -> None:
    """No traceback, no internals, no control characters."""
    assert "Traceback" not in text, what
    assert "--debug" not in text, (what, text)
    # A progress bar and colours of our own are not shown where there is no terminal.
    assert "\x1b" not in text, (what, text)


def can_be_read(path: Path) -> bool:
    """True if Python reads every plane; only errors of ours may say that it does not."""
    try:
        with open_image(path) as image:
            for index in np.ndindex(*image.shape[:-2]):
                np.asarray(image.data[index])
    except SeganyError:
        return False
    return True


def test_images(good: Path, tmp_path: Path, capsys: Any) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for seed in range(IMAGES):
        kind = images.KINDS[seed % len(images.KINDS)]
        kind(np.random.default_rng(seed), folder / f"{seed:03d}_{kind.__name__}.tif")
    for name in ("000a", "zzz"):
        (folder / f"{name}.tif").write_bytes(good.read_bytes())

    code = main(["segment", str(folder), "-o", str(out), "--json", *FAST])

    said = capsys.readouterr()
    assert_plain(said.err, "stderr")
    lines = [json.loads(line) for line in said.out.splitlines()]
    last, lines = lines[-1], [line for line in lines if "input" in line]
    assert len({line["input"] for line in lines}) == IMAGES + 2
    status = {Path(line["input"]).stem: line["status"] for line in lines}
    assert status["000a"] == status["zzz"] == "done"
    # Of a stack it may be single planes that cannot be read.
    failed = [name for name, state in status.items() if state in ("failed", "partly")]
    assert code == 1
    assert len(last["failed"]) == len(failed)
    assert IMAGES // 10 < len(failed) < IMAGES * 6 // 10
    for line in lines:
        assert_plain(line.get("error", ""), line)
    for seed in range(IMAGES):
        (path,) = folder.glob(f"{seed:03d}_*")
        if not can_be_read(path):
            assert path.stem in failed, path.name


def test_names(good: Path, tmp_path: Path, capsys: Any) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(good.read_bytes())
    (folder / "sub").mkdir()
    for name in NAMES[:3]:
        (folder / "sub" / name).write_bytes(good.read_bytes())

    code = main(["segment", str(folder), "-o", str(out), *FAST])

    said = capsys.readouterr()
    assert_plain(said.err + said.out, "output")
    assert code == 0, said.err
    done = len(list(out.rglob("*_recipe.json")))
    assert done >= len(NAMES) - 3, (
        "results of an earlier run and files without ending are no images"
    )
    for page in out.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<b>" not in text
        assert "onerror='" not in text
        assert "\x1b" not in text
    for table in out.rglob("*.csv"):
        cells = table.read_text(encoding="utf-8").replace("\n", ",").split(",")
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]


@pytest.mark.parametrize("start", range(0, TABLES, 22))
def test_tables(start: int, good: Path, tmp_path: Path, capsys: Any) -> None:
    codes = []
    for seed in range(start, start + 22):
        path = tables.make_table(seed, tmp_path)
        out = tmp_path / f"out{seed}"
        code = main(["prompt", str(good), "--table", str(path), "-o", str(out)])
        said = capsys.readouterr()
        assert_plain(said.err + said.out, (seed, path.name))
        assert code in (0, 2), (seed, said.err)
        assert bool(list(out.glob("*_labels*"))) == (code == 0), seed
        try:
            understood: Any = read_detections(path, TableImage(SHAPE, name=good.name))
        except SeganyError:
            understood = None
        assert (understood is None) == (code == 2), (seed, said.err)
        codes.append(code)
    assert 2 in codes


@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr"])
def test_labels(ending: str, tmp_path: Path) -> None:
    kept = 0
    for seed in range(LABELS):
        given = labels.make_labels(seed)
        path = tmp_path / f"{seed:03d}{ending}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sa.save_labels(given, path)
        except SeganyError:
            assert not path.exists(), seed
            continue
        with open_image(path) as image:
            back = np.asarray(image.data[...])
        expected = np.where(np.asarray(given, object) < 0, 0, np.asarray(given, object))
        assert np.array_equal(back.astype(object), expected), seed
        kept += 1
    assert LABELS // 10 < kept < LABELS * 9 // 10


def test_recipes(good: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(["segment", str(good), "-o", str(tmp_path / "first"), *FAST]) == 0
    fine = json.loads((tmp_path / "first" / "good_recipe.json").read_text())
    codes = []
    for seed in range(RECIPES):
        path, out = tmp_path / f"recipe{seed}.json", tmp_path / f"out{seed}"
        path.write_bytes(make_document(fine, seed))
        capsys.readouterr()
        code = main(["segment", str(good), "--recipe", str(path), "-o", str(out)])
        said = capsys.readouterr()
        assert_plain(said.err + said.out, seed)
        assert code in (0, 1, 2), (seed, said.err)
        assert bool(list(out.glob("*_labels*"))) == (code == 0), (seed, said.err)
        try:
            recipe = Recipe.from_json(path.read_bytes().decode("utf-8-sig"))
            assert Recipe.from_json(recipe.to_json()) == recipe, seed
        except (SeganyError, UnicodeDecodeError):
            assert code == 2, (seed, said.err)
        codes.append(code)
    assert {0, 2} <= set(codes)


def test_sessions(good: Path, tmp_path: Path, tiny: SamModel, capsys: Any) -> None:
    plane = tifffile.imread(good)
    session = Session(ArraySource(plane), tiny)
    for row, col in ((20, 30), (40, 40), (8, 8)):
        session.add_point(row, col)
        session.ask()
        session.next_candidate()
        session.add_point(row + 3, col)
        session.ask()
        session.commit()
    session.undo()
    fine = json.loads(json.dumps(provenance(session)))
    codes = []
    for seed in range(SESSIONS):
        path, out = tmp_path / f"session{seed}.json", tmp_path / f"out{seed}"
        path.write_bytes(make_document(fine, seed))
        code = main(["replay", str(path), str(good), "-o", str(out)])
        said = capsys.readouterr()
        assert_plain(said.err + said.out, seed)
        assert code in (0, 1, 2), (seed, said.err)
        assert bool(list(out.glob("*_labels*"))) == (code == 0), (seed, said.err)
        try:
            replay(read_session(path), ArraySource(plane), tiny)
        except SeganyError:
            assert code != 0, seed
        codes.append(code)
    assert {0, 2} <= set(codes)
