"""Evaluation over folders: what is done is kept, what is bad is told."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_segany.cli.main import main
from napari_segany.evaluation import run as running
from napari_segany.evaluation import tasks
from napari_segany.zero_shot.proposals import PROPOSALS, propose

FAST = (
    *("--points-per-side", "2", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"),
    *("--max-area-fraction", "1", "--clicks", "2"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("images", "truth"):
        (tmp_path / name).mkdir()
    for n in range(2):
        image = rng.integers(0, 255, (2, 48, 56)).astype(np.uint8)
        labels = np.zeros((2, 48, 56), np.uint16)
        labels[:, 5:20, 8:30] = 3
        labels[:, 30:40, 30:50] = 7 + n
        options: Any = {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}
        tifffile.imwrite(tmp_path / "images" / f"a{n}.tif", image, **options)
        tifffile.imwrite(tmp_path / "truth" / f"a{n}_labels.tif", labels, **options)
    return tmp_path


@pytest.fixture
def model(tiny_model: Any, monkeypatch: Any) -> Any:
    monkeypatch.setattr("napari_segany.models.model.load_model", lambda *_, **__: tiny_model)
    return tiny_model


def run(folder: Path, *options: str) -> int:
    return main(
        [
            *("evaluate", str(folder / "images"), "--truth", str(folder / "truth")),
            *("-o", str(folder / "out"), *FAST, *options),
        ]
    )


def test_scores_tables_and_pictures(folder: Path, model: Any, capsys: Any):
    assert run(folder, "--compare", "watershed") == 0
    said = capsys.readouterr().out
    assert "oracle mIoU@2" in said
    out = folder / "out"
    scores = json.loads((out / "evaluation.json").read_text())["scores"]
    assert scores["tiny"]["objects"] == scores["tiny"]["asked"] == 8
    assert {"mIoU@1", "NoC@90", "box mIoU", "msa", "AR@1000"} <= set(scores["tiny"])
    assert "box mIoU" not in scores["watershed"]
    rows = list(csv.DictReader((out / "objects.csv").read_text().splitlines()))
    assert len(rows) == 16
    assert {"iou_1", "oracle_2", "box_iou"} <= set(rows[0])
    for name in ("clicks.png", "precision_recall.png", "worst.png"):
        assert (out / name).read_bytes()[:4] == b"\x89PNG"


def test_what_was_measured_is_not_measured_again(
    folder: Path, model: Any, capsys: Any, monkeypatch: Any
):
    assert run(folder, "--tasks", "clicks", "--json") == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    monkeypatch.setattr(running._Planes, "_measured", None)
    assert run(folder, "--tasks", "clicks", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == first
    # Another setting is another measurement, which fails here.
    assert run(folder, "--tasks", "boxes") == 1


def test_fewer_objects_and_planes(folder: Path, model: Any, capsys: Any):
    assert run(folder, "--tasks", "boxes", "--objects", "1", "--every", "2", "--json") == 0
    scores = json.loads((folder / "out" / "evaluation.json").read_text())["scores"]["tiny"]
    assert (scores["planes"], scores["objects"], scores["asked"]) == (2, 4, 2)
    capsys.readouterr()


def test_bad_images_are_told_and_the_others_measured(folder: Path, model: Any, capsys: Any):
    (folder / "images" / "alone.tif").write_bytes((folder / "images" / "a0.tif").read_bytes())
    tifffile.imwrite(folder / "truth" / "a1_labels.tif", np.zeros((3, 3), np.uint8))
    assert run(folder, "--tasks", "boxes") == 1
    said = capsys.readouterr()
    assert "no file with the truth of alone.tif" in said.err
    assert "of shape (3, 3)" in said.err
    assert (
        json.loads((folder / "out" / "evaluation.json").read_text())["scores"]["tiny"]["planes"]
        == 2
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--clicks", "0"), "clicks must be"),
        (("--objects", "-3"), "objects must be"),
        (("--jitter", "7"), "jitter must be"),
        (("--every", "0"), "--every must be"),
    ],
)
def test_values_that_cannot_be(folder: Path, options: Any, message: str, capsys: Any):
    assert run(folder, *options) == 2
    assert message in capsys.readouterr().err


def test_proposals_beside_the_default_grid(folder: Path, model: Any, monkeypatch: Any):
    few = replace(PROPOSALS, points_per_side=3)
    monkeypatch.setattr(
        tasks, "propose", lambda model, image, **given: propose(model, image, few, **given)
    )
    assert run(folder, "--tasks", "proposals", "automatic") == 0
    scores = json.loads((folder / "out" / "evaluation.json").read_text())["scores"]["tiny"]
    for most in (10, 100, 1000):
        assert {f"proposals AR@{most}", f"AR@{most}", f"proposals AR@{most} small"} <= set(scores)


def draw_boundaries(folder: Path, annotators: int) -> None:
    for n in range(2):
        image = tifffile.imread(folder / "images" / f"a{n}.tif")[0]
        tifffile.imwrite(folder / "images" / f"a{n}.tif", image, photometric="minisblack")
        lines = np.zeros((annotators, *image.shape), np.uint8)
        lines[:, 10 + n] = 255
        path = folder / "truth" / f"a{n}_labels.tif"
        tifffile.imwrite(path, lines.squeeze(), photometric="minisblack")


@pytest.mark.parametrize("annotators", [1, 3])
def test_edges_beside_classical_detectors(
    folder: Path, model: Any, annotators: int, capsys: Any, monkeypatch: Any
):
    draw_boundaries(folder, annotators)
    assert run(folder, "--tasks", "edges") == 0
    out = folder / "out"
    scores = json.loads((out / "evaluation.json").read_text())["scores"]
    assert list(scores) == ["tiny", "sobel", "sobel_smooth", "canny"]
    for each in scores.values():
        assert each["ods from"] <= each["ods"] <= each["ods to"]
    said = capsys.readouterr().out
    assert "ods" in said
    assert "objects" not in said
    with Image.open(out / "edges.png") as sheet:
        # Image, annotators and four detectors, for two images.
        assert sheet.width == 6 * 224
        assert sheet.height == 2 * (round(220 * 48 / 56) + 20)
    assert (out / "edges_precision_recall.png").exists()
    monkeypatch.setattr(running._Planes, "_measured", None)
    assert run(folder, "--tasks", "edges") == 0


def test_truth_of_edges_that_does_not_fit(folder: Path, model: Any, capsys: Any):
    draw_boundaries(folder, 2)
    assert run(folder, "--tasks", "edges", "clicks") == 2
    assert "by themselves" in capsys.readouterr().err
    tifffile.imwrite(folder / "truth" / "a0_labels.tif", np.zeros((2, 9, 9), np.uint8))
    assert run(folder, "--tasks", "edges") == 1
    assert "one an annotator" in capsys.readouterr().err


def test_planes_that_were_measured_are_kept_when_it_is_stopped(
    folder: Path, model: Any, monkeypatch: Any, capsys: Any
):
    measure, planes = running.measure_plane, []

    def until_the_fourth(*args: Any, **given: Any) -> Any:
        planes.append(args)
        if len(planes) == 4:
            raise KeyboardInterrupt
        return measure(*args, **given)

    monkeypatch.setattr(running, "measure_plane", until_the_fourth)
    assert run(folder, "--tasks", "boxes") == 130
    assert not (folder / "out" / "evaluation.json").exists()
    assert run(folder, "--tasks", "boxes") == 0
    assert len(planes) == 5
    capsys.readouterr()
