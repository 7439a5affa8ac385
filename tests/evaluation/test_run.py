"""Evaluation over folders: what is done is kept, what is bad is told."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_segany import AutomaticParams, save_labels
from napari_segany.cli.main import main
from napari_segany.core.callbacks import BatchEvent
from napari_segany.evaluation import run as running
from napari_segany.evaluation import tasks
from napari_segany.evaluation.candidate_recall import OUTCOMES
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
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
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


def test_candidates_are_counted_beside_the_labels(folder: Path, model: Any, capsys: Any):
    assert run(folder, "--tasks", "automatic", "boxes", "--objects", "1") == 0
    out = folder / "out"
    about = json.loads((out / "evaluation.json").read_text())
    scores = about["scores"]["tiny"]
    assert "candidate recall" in capsys.readouterr().out
    shares = ("recall", "proposed but lost", "never proposed")
    assert sum(scores[name] for name in shares) == pytest.approx(1)
    rows = list(csv.DictReader((out / "objects.csv").read_text().splitlines()))
    # All objects have an outcome, and one of each plane a box.
    assert len(rows) == 8
    assert sum(row["box_iou"] != "" for row in rows) == 4
    assert {row["outcome"] for row in rows} <= set(OUTCOMES)
    best = np.mean([float(row["candidate_iou"]) for row in rows])
    assert scores["candidate mean IoU"] == pytest.approx(best, abs=1e-5)
    assert 0 < best < 1
    # One row a plane, from which the means can be made again.
    assert [(row["image"], row["plane"]) for row in about["planes"]] == [
        *(("a0", [0]), ("a0", [1]), ("a1", [0]), ("a1", [1]))
    ]
    for name in (*shares, "msa"):
        assert np.mean([row[name] for row in about["planes"]]) == pytest.approx(scores[name])
    assert all(row["seconds"] >= 0 for row in about["planes"])
    # These images have no kind.
    assert "kinds" not in about


def test_images_in_folders_give_a_row_a_kind(folder: Path, model: Any, capsys: Any):
    for name in ("images", "truth"):
        for number, kind in enumerate(("em", "nuclei")):
            (folder / name / kind).mkdir()
            (path,) = (folder / name).glob(f"a{number}*.tif")
            path.rename(folder / name / kind / path.name)
    assert run(folder, "--tasks", "automatic") == 0
    said = capsys.readouterr().out
    about = json.loads((folder / "out" / "evaluation.json").read_text())
    kinds = about["kinds"]["tiny"]
    assert {kind: each["planes"] for kind, each in kinds.items()} == {"em": 2, "nuclei": 2}
    # No object is large, and a mean of nothing is no number.
    assert about["mean_over_kinds"]["tiny"]["AR@10 large"] is None
    for name in ("msa", "candidate mean IoU", "never proposed"):
        each = [kinds[kind][name] for kind in kinds]
        assert about["mean_over_kinds"]["tiny"][name] == pytest.approx(np.mean(each))
    assert [row["kind"] for row in about["planes"]] == ["em", "em", "nuclei", "nuclei"]
    table = said[said.index("\ntiny") :]
    assert [line.partition("  ")[0] for line in table.splitlines()[1:6]] == [
        *("tiny", "em", "nuclei", "mean over kinds", "all planes")
    ]
    assert table.startswith("\n" + (folder / "out" / "evaluation.txt").read_text().split("\n\n")[1])


def test_candidates_beyond_the_thresholds_change_no_score(model: Any, monkeypatch: Any):
    image = np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.uint8)
    truth = np.zeros((60, 80), int)
    truth[10:30, 20:50] = 1
    params = AutomaticParams(
        points_per_side=3, pred_iou_thresh=0.15, stability_score_thresh=0, max_area_fraction=1
    )
    settings = tasks.EvaluationSettings(tasks=("automatic",), params=params)
    more = tasks.measure_plane(model, image, truth, settings)["automatic"]
    generate = tasks.generate_masks

    def without(*args: Any, **given: Any) -> Any:
        return generate(*args, **given, refilter=False)

    monkeypatch.setattr(tasks, "generate_masks", without)
    fewer = tasks.measure_plane(model, image, truth, settings)["automatic"]
    assert more.pop("outcomes")["candidates"] > fewer.pop("outcomes")["candidates"] > 0
    assert more == fewer


def test_another_generator_is_measured_anew(folder: Path, model: Any, monkeypatch: Any):
    pair = folder / "images" / "a0.tif", folder / "truth" / "a0_labels.tif"
    settings = tasks.EvaluationSettings(tasks=("automatic",))

    def measured(points: int) -> list[Any]:
        usual = AutomaticParams(points_per_side=points, pred_iou_thresh=0, stability_score_thresh=0)
        monkeypatch.setattr("napari_segany.generators.generate.usual_params", lambda *_: usual)
        found = running.evaluate_folder([pair], [model], settings, folder / "out", every=2)
        return [each.values["automatic"]["outcomes"] for each in found]  # type: ignore[union-attr]

    fewer, more = measured(1), measured(2)
    assert more[0]["candidates"] > fewer[0]["candidates"]
    assert measured(1) == fewer


def test_what_was_measured_is_not_measured_again(
    folder: Path, model: Any, capsys: Any, monkeypatch: Any
):
    assert run(folder, "--tasks", "clicks", "--json") == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    monkeypatch.setattr(running._PlanePairs, "_measure_one", None)
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


@pytest.mark.usefixtures("few_edge_points")
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
    monkeypatch.setattr(running._PlanePairs, "_measure_one", None)
    assert run(folder, "--tasks", "edges") == 0


@pytest.mark.usefixtures("few_edge_points")
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


def test_scores_are_json_whatever_is_missing(folder: Path, model: Any, capsys: Any):
    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert run(folder, "--tasks", "automatic", "--json") == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1], parse_constant=refuse)
    # No object is large.
    assert said["scores"]["tiny"]["AR@10 large"] is None
    text = (folder / "out" / "evaluation.json").read_text()
    about = json.loads(text, parse_constant=refuse)
    assert about["predictors"][0][0] == "tiny"
    assert about["failed"] == {}
    assert about["params"]["tiny"]["strategy"] == "grid"
    assert about["params"]["tiny"]["points_per_side"] == 2


def test_files_of_an_earlier_run_do_not_stay(folder: Path, model: Any):
    assert run(folder, "--tasks", "clicks") == 0
    (folder / "out" / "mine.txt").write_text("mine")
    assert run(folder, "--tasks", "boxes") == 0
    left = {path.name for path in (folder / "out").iterdir() if path.is_file()}
    assert left == {"evaluation.txt", "evaluation.json", "objects.csv", "mine.txt"}


def test_nobody_is_compared_with_himself(folder: Path, model: Any, capsys: Any):
    assert run(folder, "--compare", "another", "--tasks", "boxes") == 2
    assert "tiny is to be compared with itself" in capsys.readouterr().err


def test_where_results_cannot_go_is_told_at_once(folder: Path, model: Any, capsys: Any):
    (folder / "out").write_text("a file")
    assert run(folder) == 2
    assert "is a file" in capsys.readouterr().err


def test_images_of_one_name_are_told_apart_by_their_endings(folder: Path, model: Any, capsys: Any):
    image = tifffile.imread(folder / "images" / "a0.tif")[0]
    Image.fromarray(image).save(folder / "images" / "a0.png")
    # The truth is that of the stack, so the picture fails, and only the picture.
    assert run(folder, "--tasks", "boxes") == 1
    assert "a0.png" in capsys.readouterr().err
    rows = csv.DictReader((folder / "out" / "objects.csv").read_text().splitlines())
    assert {row["image"] for row in rows} == {"a0_tif", "a1"}


def test_folders_of_images_have_folders_of_truth(folder: Path, model: Any, capsys: Any):
    for kind, name in (("images", "a0.tif"), ("truth", "a0_labels.tif")):
        (folder / kind / "p2").mkdir()
        shutil.copy(folder / kind / name, folder / kind / "p2" / name)
    # Truth among the images is no image.
    shutil.move(folder / "truth", folder / "images" / "truth")
    command = ["evaluate", str(folder / "images"), "--truth", str(folder / "images" / "truth")]
    assert main([*command, "-o", str(folder / "out"), *FAST, "--tasks", "boxes", "clicks"]) == 0
    rows = csv.DictReader((folder / "out" / "objects.csv").read_text().splitlines())
    assert {row["image"] for row in rows} == {"a0", "a1", "p2/a0"}


def test_a_blank_plane_is_not_measured(folder: Path, model: Any, capsys: Any):
    path = folder / "images" / "a0.tif"
    planes = tifffile.imread(path).astype(np.float32)
    planes[1] = np.nan
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "ZYX"})
    assert run(folder, "--tasks", "clicks", "boxes", "automatic") == 0
    assert "Plane Z 1: No pixel is a finite number" in capsys.readouterr().err
    rows = csv.DictReader((folder / "out" / "objects.csv").read_text().splitlines())
    assert sum(row["image"] == "a0" for row in rows) == 2


def test_progress_grows_within_a_stack(folder: Path, model: Any):
    told: list[BatchEvent] = []
    pairs = [(folder / "images" / "a0.tif", folder / "truth" / "a0_labels.tif")]
    settings = tasks.EvaluationSettings(tasks=("boxes",))
    list(running.evaluate_folder(pairs, [model], settings, folder / "out", progress=told.append))
    assert told == [BatchEvent("a0.tif", done, 1) for done in (0, 0.5, 1)]


def test_another_file_of_the_same_image_is_measured_anew(folder: Path, model: Any):
    pair = folder / "images" / "a0.tif", folder / "truth" / "a0_labels.tif"
    settings = tasks.EvaluationSettings(tasks=("boxes",))

    def measured() -> list[Any]:
        found = running.evaluate_folder([pair], [model], settings, folder / "out")
        return [each.values["boxes"] for each in found]  # type: ignore[union-attr]

    before = measured()
    labels = tifffile.imread(pair[1])
    labels[1] = 0
    tifffile.imwrite(pair[1], labels, photometric="minisblack", metadata={"axes": "ZYX"})
    after = measured()
    assert after[0] == before[0]
    assert (len(before[1]), len(after[1])) == (2, 0)


def test_a_bad_image_is_told_once(folder: Path, model: Any, capsys: Any):
    (folder / "images" / "a1.tif").write_bytes(b"no image")
    assert run(folder, "--compare", "watershed", "--tasks", "clicks") == 1
    assert capsys.readouterr().err.count("a1.tif: ") == 1


def test_one_file_is_not_the_truth_of_several_images(folder: Path, model: Any, capsys: Any):
    truth = ("--truth", str(folder / "truth" / "a0_labels.tif"))
    assert run(folder, *truth) == 2
    assert "is one file, and there are 2 images" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_truth_in_one_zarr(folder: Path, model: Any, capsys: Any):
    labels = tifffile.imread(folder / "truth" / "a0_labels.tif")
    save_labels(labels, folder / "truth.ome.zarr", "ZYX")
    (folder / "images" / "a1.tif").unlink()
    truth = ("--truth", str(folder / "truth.ome.zarr"))
    command = ["evaluate", str(folder / "images"), *truth, "-o", str(folder / "out"), *FAST]
    assert main([*command, "--tasks", "boxes"]) == 0


def test_objects_are_no_boundaries(folder: Path, model: Any, capsys: Any):
    assert run(folder, "--tasks", "edges") == 1
    assert "filled objects" in capsys.readouterr().err


def test_boxes_of_one_label_are_not_all_off_by_the_same(model: Any):
    images = np.random.default_rng(0).integers(0, 255, (2, 60, 80)).astype(np.uint8)
    truth = np.zeros((2, 60, 80), int)
    truth[0, 10:30, 20:50] = truth[1, 20:40, 30:60] = 1
    settings = tasks.EvaluationSettings(tasks=("boxes",), jitter=0.1)
    one, other = (
        tasks.measure_plane(model, *pair, settings)["boxes"][0]["box"]
        for pair in zip(images, truth, strict=True)
    )
    assert not np.allclose(np.subtract(other, one), [10, 10, 10, 10])
