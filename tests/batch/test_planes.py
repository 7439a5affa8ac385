"""Planes that are blank or cannot be read, in batches of every kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany.batch.manifest import ResultStore
from napari_segany.cli.main import main
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError

OPTIONS = {
    "segment": ("--pred-iou-thresh", "0", "--stability-score-thresh", "0"),
    "edges": (),
    "proposals": (),
}
MAIN = {
    "segment": "a_labels.ome.tif",
    "edges": "a_edges.ome.tif",
    "proposals": "a_proposals.json",
}


@pytest.fixture
def run(tiny_model: Any, monkeypatch: Any, capsys: Any) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)

    def running(command: str, *arguments: Any) -> tuple[int, str]:
        options = ("--points-per-side", "2", *OPTIONS[command])
        code = main([command, *map(str, arguments), *options])
        said = capsys.readouterr()
        return code, said.out + said.err

    return running


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Four planes of floating point numbers; the third is blank."""
    planes = np.random.default_rng(2).random((4, 6, 7), np.float32).repeat(8, 1).repeat(8, 2)
    planes[2] = np.nan
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "TYX"})
    return path


@pytest.fixture
def broken(monkeypatch: Any) -> set[tuple[int, ...]]:
    """Planes that cannot be read, until they are taken out."""
    bad: set[tuple[int, ...]] = {(1,)}
    original = StackLayout.plane

    def plane(layout: StackLayout, data: Any, index: tuple[int, ...]) -> Any:
        if index in bad:
            raise InputError("strip 3 is damaged.")
        return original(layout, data, index)

    monkeypatch.setattr(StackLayout, "plane", plane)
    return bad


def kind(command: str) -> str:
    return "" if command == "segment" else command


@pytest.mark.parametrize("how", ["plane", "stack", "0,1"])
def test_a_blank_plane_is_left_empty(run, stack, tmp_path, how):
    out = tmp_path / "out"

    code, said = run("segment", stack, "-o", out, "--normalise", how)

    assert code == 0
    labels = tifffile.imread(out / "a_labels.ome.tif")
    assert [bool(plane.any()) for plane in labels] == [True, True, False, True]
    assert "1 blank plane left empty" in said
    (note,) = ResultStore(out).all()["a"].notes
    assert note.startswith("Plane T 2: No pixel is a finite number")
    assert "Plane T 2: No pixel" in (out / "segany_report.html").read_text("utf-8")
    # Nothing is left to do.
    assert "done before, 1 blank plane" in run("segment", stack, "-o", out, "--normalise", how)[1]


@pytest.mark.parametrize("command", ["edges", "proposals"])
def test_a_blank_plane_of_other_products(run, stack, tmp_path, command):
    out = tmp_path / "out"

    assert run(command, stack, "-o", out)[0] == 0

    assert (out / MAIN[command]).exists()
    assert len(ResultStore(out, command).all()["a"].notes) == 1
    if command == "edges":
        edges = tifffile.imread(out / MAIN[command])
        assert edges.shape == (4, 48, 56)
        assert not edges[2].any()


@pytest.mark.parametrize("command", list(OPTIONS))
def test_a_plane_that_cannot_be_read_fails_by_itself_and_is_tried_again(
    run, stack, tmp_path, broken, command
):
    out, whole = tmp_path / "out", tmp_path / "whole"

    code, said = run(command, stack, "-o", out)

    assert code == 1
    assert "a.tif: Plane T 1: strip 3 is damaged." in said
    assert "1 plane could not be read" in said
    assert "0 of 1 file done, 1 done in part" in said
    record = ResultStore(out, kind(command)).all()["a"]
    assert record.failed_planes == ["Plane T 1: strip 3 is damaged."]
    assert (out / MAIN[command]).exists()
    if command == "segment":
        labels = tifffile.imread(out / "a_labels.ome.tif")
        assert [bool(plane.any()) for plane in labels] == [True, False, False, True]
        assert "strip 3 is damaged" in (out / "segany_report.html").read_text("utf-8")

    # It is tried again, and what was finished is not computed again.
    assert run(command, stack, "-o", out)[0] == 1
    broken.clear()
    code, said = run(command, stack, "-o", out)
    assert (code, "2 planes of them done before" in said) == (0, True)
    run(command, stack, "-o", whole)
    for path in whole.glob("a_*"):
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert not list(out.rglob("*.work"))


def test_a_result_changed_by_hand_is_not_replaced_by_the_second_try(run, stack, tmp_path, broken):
    out = tmp_path / "out"
    run("segment", stack, "-o", out)
    (out / "a_labels.ome.tif").write_bytes(b"painted")
    broken.clear()
    code, said = run("segment", stack, "-o", out)
    assert (code, "was changed since it was made" in said) == (1, True)
    assert (out / "a_labels.ome.tif").read_bytes() == b"painted"


def test_an_image_of_blank_planes_only_fails(run, tmp_path):
    path = tmp_path / "a.tif"
    planes = np.full((2, 8, 9), np.nan, np.float32)
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "TYX"})
    for how in ("plane", "stack"):
        code, said = run("segment", path, "-o", tmp_path / "out", "--normalise", how)
        assert (code, "No pixel is a finite number" in said) == (1, True)
    assert not list((tmp_path / "out").glob("a_*"))


def test_axes_and_names_that_no_file_takes_are_told_before_anything_is_computed(run, tmp_path):
    deep, long = tmp_path / "deep.tif", tmp_path / f"{'x' * 240}.tif"
    six = np.zeros((2, 2, 2, 2, 8, 9), np.uint8)
    tifffile.imwrite(deep, six, photometric="minisblack", metadata={"axes": "RTZQYX"})
    tifffile.imwrite(long, six[0, 0, 0, 0])
    code, said = run("segment", deep, long, "-o", tmp_path / "out", "--device", "none")
    assert code == 1
    assert "too many dimensions" in said
    assert "The name of the image is too long" in said
