"""Records that somebody else may have written, and results without any record."""

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.batch.conftest import results
from tests.fuzz.documents import make_document

from napari_segany.batch.manifest import Output, PlaneCheckpoint, Record, ResultStore, is_plain
from napari_segany.batch.report import make_report, write_report
from napari_segany.cli.main import main
from napari_segany.errors import InputError, SeganyError

FAST = ("--points-per-side", "2", "--pred-iou-thresh", "0", "--stability-score-thresh", "0")


@pytest.fixture
def segment(tiny_model: Any, monkeypatch: Any, capsys: Any) -> Callable[..., tuple[int, str]]:
    """Run the command line with a small random model; gives the exit code and what was said."""
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)

    def run(*arguments: Any) -> tuple[int, str]:
        code = main(["segment", *map(str, arguments), *FAST])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def image(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 7)).astype(np.uint8)
    tifffile.imwrite(path, coarse.repeat(8, axis=0).repeat(8, axis=1))
    return path


def plant(record: Path, **changed: Any) -> None:
    record.write_text(json.dumps({**json.loads(record.read_text()), **changed}))


def known(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    times = {"size": len(content), "mtime_ns": path.stat().st_mtime_ns}
    return {**times, "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize(
    "name", ["../victim.txt", "../../victim.txt", "sub/../../victim.txt", "{absolute}", "other.txt"]
)
def test_a_record_deletes_nothing_but_results_of_its_image(segment, tmp_path, name):
    a, out = image(tmp_path / "a.tif"), tmp_path / "out"
    assert segment(a, "-o", out)[0] == 0
    victims = [tmp_path / "victim.txt", tmp_path.parent / "victim.txt", out / "other.txt"]
    for victim in victims:
        victim.write_text("mine")
    name = name.format(absolute=victims[0])
    plant(out / ".segany" / "a.json", outputs={name: known(victims[0])})

    code, said = segment(a, "-o", out, "--min-area", "3")

    assert code == 0, said
    assert [victim.read_text() for victim in victims] == ["mine"] * 3


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a_labels.ome.tif", True),
        ("细胞_labels.ome.tif", True),
        (".x_labels.ome.tif", True),
        *((bad, False) for bad in ("", ".", "..", "a/b", "/a", "a\\b", "C:a", "a\0b", ".segany")),
        (".SEGANY", False),
    ],
)
def test_results_have_plain_names(name, plain):
    assert is_plain(name) is plain


@pytest.mark.parametrize(
    "change",
    [
        {"thumbnail": "' onerror='alert(1)"},
        {"thumbnail": 5},
        {"outputs": []},
        {"outputs": {"a_labels.ome.tif": {"size": "1", "mtime_ns": 2, "sha256": ""}}},
        {"outputs": {"a_labels.ome.tif": {"size": 1, "mtime_ns": 2, "sha256": "<b>"}}},
        {"summary": {"area_histogram": {"<b>": 1}}},
        {"summary": {"score_histogram": {"nan": 1}}},
        {"summary": {"objects": -1}},
        {"summary": None},
        {"key": 7},
        {"format": 99},
        {"format": None},
        {"stamp": {"size": None}},
        {"surprise": 1},
    ],
)
def test_a_record_of_wrong_types_is_none(segment, tmp_path, change):
    a, out = image(tmp_path / "a.tif"), tmp_path / "out"
    assert segment(a, "-o", out)[0] == 0
    assert ResultStore(out).read("a") is not None
    plant(out / ".segany" / "a.json", **change)

    assert ResultStore(out).read("a") is None
    # Results are known as ours without it.
    assert segment(a, "-o", out, "--min-area", "3")[0] == 0


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"image": "\\ud800"}'])
def test_a_record_that_is_none_is_not_read(tmp_path, text):
    (tmp_path / ".segany").mkdir()
    (tmp_path / ".segany" / "a.json").write_text(text)
    assert ResultStore(tmp_path).all() == {}


def test_the_report_escapes_everything():
    evil = "<script>'\"\x1b"
    record = Record(
        image=evil,
        key="a" * 64,
        thumbnail=base64.b64encode(b"jpeg").decode(),
        notes=[evil],
        failed_planes=[evil],
    )
    object.__setattr__(record.summary, "understood", evil)
    object.__setattr__(record.summary, "pictured", evil)
    page = make_report({evil: record, "b": Record(evil, error=evil)}, {evil: evil})

    assert "<script>'" not in page
    assert "alt='<" not in page
    assert "\x1b" not in page
    assert page.count("&lt;script&gt;&#x27;&quot;\\x1b") >= 7


def test_a_header_of_wrong_types_begins_anew(tmp_path):
    work: PlaneCheckpoint[bytes] = PlaneCheckpoint(tmp_path / "a.work", bytes)
    work.begin("k" * 3, "recipe", "c")
    assert work.resume("kkk") == "recipe"
    for text in ("[]", "null", '{"key": "kkk"}', '{"key": "kkk", "recipe": 5, "content": ""}'):
        (tmp_path / "a.work" / "header.json").write_text(text)
        assert work.resume("kkk") is None


def test_another_image_of_the_same_name_is_refused(segment, tmp_path):
    one, two = image(tmp_path / "p1" / "a.tif"), image(tmp_path / "p2" / "a.tif", 1)
    out = tmp_path / "out"
    assert segment(one, "-o", out)[0] == 0
    before = results(out)

    code, said = segment(two, "-o", out)

    assert code == 1
    assert str(one) in said
    assert f"which is another image than {two}" in said
    before.pop("report")
    assert before.items() <= results(out).items()
    # The first one is still what it was.
    code, said = segment(one, "-o", out)
    assert (code, "done before" in said) == (0, True)
    assert not ResultStore(out).all()["a"].error
    assert segment(two, "-o", out, "--overwrite")[0] == 0


def test_images_that_were_moved_are_not_done_again(segment, tmp_path):
    a, out = image(tmp_path / "p1" / "a.tif"), tmp_path / "out"
    segment(a, "-o", out)
    shutil.move(tmp_path / "p1", tmp_path / "moved")

    code, said = segment(tmp_path / "moved" / "a.tif", "-o", out)

    assert (code, "done before" in said) == (0, True)
    # From now on it is known to lie there, and may change.
    image(tmp_path / "moved" / "a.tif", 5)
    code, said = segment(tmp_path / "moved" / "a.tif", "-o", out)
    assert (code, "done before" in said) == (0, False)


@pytest.mark.parametrize("damage", ["folder", "record"])
def test_without_records_results_are_known_and_made_anew(segment, tmp_path, damage):
    a, out = image(tmp_path / "a.tif"), tmp_path / "out"
    assert segment(a, "-o", out, "--labels", "zarr", "--export", "coco")[0] == 0
    shutil.rmtree(out)
    assert segment(a, "-o", out, "--export", "coco")[0] == 0
    before = results(out)

    def lose() -> None:
        if damage == "folder":
            shutil.rmtree(out / ".segany")
        else:
            (out / ".segany" / "a.json").write_text("{")

    lose()
    assert segment(a, "-o", out, "--export", "coco")[0] == 0
    assert results(out) == before
    # With other parameters as well, but neither what a person changed, nor another's results.
    lose()
    assert segment(a, "-o", out, "--export", "coco", "--min-area", "3")[0] == 0
    lose()
    other = image(tmp_path / "p2" / "a.tif", 3)
    assert "is another image" in segment(other, "-o", out)[1]
    (out / "a_table.csv").write_text("mine")
    code, said = segment(a, "-o", out)
    assert (code, "was changed since it was made" in said) == (1, True)
    assert (out / "a_table.csv").read_text() == "mine"


def test_what_is_no_result_of_ours_stays(segment, tmp_path):
    a, out = image(tmp_path / "a.tif"), tmp_path / "out"
    out.mkdir()
    (out / "a_table.csv").write_text("mine")
    code, said = segment(a, "-o", out)
    assert (code, "is there already" in said) == (1, True)
    assert (out / "a_table.csv").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links on this system")
@pytest.mark.parametrize("link", [".segany", ".segany/a.json", ".segany/a.lock", ".segany/a.work"])
def test_links_in_a_folder_of_results_are_not_followed(segment, tmp_path, link):
    a, out, elsewhere = image(tmp_path / "a.tif"), tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "victim.txt").write_text("mine")
    (out / link).parent.mkdir(parents=True)
    target = elsewhere if link in (".segany", ".segany/a.work") else elsewhere / "victim.txt"
    (out / link).symlink_to(target)

    code, said = segment(a, "-o", out)

    assert code == 1
    assert "is a link, and nothing is written through links" in said
    assert [p.name for p in elsewhere.iterdir()] == ["victim.txt"]
    assert (elsewhere / "victim.txt").read_text() == "mine"


def test_folders_of_results_that_are_links_are_not_followed(segment, tmp_path):
    image(tmp_path / "in" / "p1" / "a.tif")
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for folder in (out, elsewhere):
        folder.mkdir()
    (out / "p1").symlink_to(elsewhere)
    assert segment(tmp_path / "in", "-o", out)[0] == 1
    assert list(elsewhere.iterdir()) == []


def test_the_log_and_the_report_are_not_written_through_links(segment, tmp_path):
    a, out, victim = image(tmp_path / "a.tif"), tmp_path / "out", tmp_path / "victim.txt"
    out.mkdir()
    victim.write_text("mine")
    for name in ("segany_log.jsonl", "segany_report.html"):
        (out / name).symlink_to(victim)

    code, said = segment(a, "-o", out)

    assert code == 0
    assert said.count("segany_log.jsonl is not written") == 1
    assert victim.read_text() == "mine"
    assert not (out / "segany_report.html").is_symlink()


def test_a_link_in_place_of_a_result_is_no_result(segment, tmp_path):
    a, out, victim = image(tmp_path / "a.tif"), tmp_path / "out", tmp_path / "victim.csv"
    segment(a, "-o", out)
    shutil.move(out / "a_table.csv", victim)
    (out / "a_table.csv").symlink_to(victim)
    code, said = segment(a, "-o", out, "--min-area", "3")
    assert (code, "was changed since" in said) == (1, True)
    assert victim.exists()


def test_names_with_folders_have_records_of_their_own(tmp_path):
    labels, edges = ResultStore(tmp_path), ResultStore(tmp_path, "edges")
    # As many names as could be taken for each other.
    for name in ("a", "edges/a", "folders/a", "x.work/header"):
        labels.write(name, Record(name))
    edges.write("a", Record("of edges"))
    write_report(tmp_path)

    assert {name: r.image for name, r in labels.all().items()} == {
        name: name for name in ("a", "edges/a", "folders/a", "x.work/header")
    }
    assert [r.image for r in edges.all().values()] == ["of edges"]


def test_values_are_checked_where_they_are_made():
    with pytest.raises(InputError, match="sha256"):
        Output(1, 2, "short")
    with pytest.raises(InputError, match="plain name"):
        Record("a", outputs={"../a": Output(1, 2, "")})
    assert issubclass(InputError, SeganyError)


@pytest.mark.parametrize("kind", ["record", "header", "recipe"])
def test_whatever_is_in_a_folder_of_results_a_run_ends_plainly(segment, tmp_path, kind):
    a, out, victim = image(tmp_path / "a.tif"), tmp_path / "out", tmp_path / "victim.txt"
    victim.write_text("mine")
    assert segment(a, "-o", out)[0] == 0
    work: PlaneCheckpoint[bytes] = PlaneCheckpoint(out / ".segany" / "a.work", bytes)
    work.begin("0" * 64, (out / "a_recipe.json").read_text(), "1" * 64)
    path = {
        "record": out / ".segany" / "a.json",
        "header": out / ".segany" / "a.work" / "header.json",
        "recipe": out / "a_recipe.json",
    }[kind]
    fine = json.loads(path.read_text())
    for seed in range(40):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(make_document(fine, seed))
        if kind != "record":
            (out / ".segany" / "a.json").unlink(missing_ok=True)

        code, said = segment(a, "-o", out)

        assert code in (0, 1), (seed, said)
        assert "unexpected" not in said, (seed, said)
        assert "Traceback" not in said, (seed, said)
        page = (out / "segany_report.html").read_text("utf-8")
        assert "\x1b" not in page
        assert victim.read_text() == "mine"
