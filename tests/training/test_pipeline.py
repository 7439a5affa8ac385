"""From a folder of training sets to a finder's file, and its command."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.training.scenes import build_model, draw_scene, write_manifest, write_set

from napari_segany.cli.main import main
from napari_segany.cli.timed_lines import TimedLines
from napari_segany.core.callbacks import Progress
from napari_segany.core.intensity import to_rgb
from napari_segany.errors import Cancelled, InputError
from napari_segany.models.finder import load_finder
from napari_segany.models.sam.model import SamModel
from napari_segany.training import pipeline
from napari_segany.training import training_loop as loop
from napari_segany.training.curves import plot_curves
from napari_segany.training.pipeline import TrainingOptions, train_from_folder
from napari_segany.training.training_loop import TrainParams
from napari_segany.weights.finders import read_finder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    closed = write_set(folder, "closed", 1, shift=9, weights_may_ship=False)
    write_manifest(folder, own=write_set(folder, "own", 5, modality="drawn"), closed=closed)
    return folder


@pytest.fixture(scope="module")
def model() -> SamModel:
    return build_model()


@pytest.fixture(autouse=True)
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "VALIDATION_VIEWS", 2)
    monkeypatch.setattr(pipeline, "TrainParams", partial(TrainParams, batch=2))
    monkeypatch.setattr(loop, "CURVE_EVERY", 1)
    monkeypatch.setattr(loop, "VALIDATE_EVERY", 2)


STAGES = ["images", "features", "validation features", "steps", "calibration"]

QUALITY = {"region": {"weights": [1.5]}}


@pytest.fixture(autouse=True)
def no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quality estimate of a finder that knows nothing means nothing, and takes seconds."""

    class Fitted:
        def to_dict(self) -> dict[str, Any]:
            return QUALITY

    def calibrate(model: Any, finder: Any, images: Any, seed: int, progress: Progress) -> Fitted:
        assert finder.card.encoder.name == model.id
        # Figures are reported on validation images, so nothing is fitted on them.
        # Sets with few sources keep none for calibration.
        assert {each.split for each in images} == {"train"}
        progress(1, 1)
        return Fitted()

    monkeypatch.setattr(pipeline, "calibrate", calibrate)


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take a second."""
    monkeypatch.setattr(pipeline, "plot_curves", lambda *_: None)


class Run:
    """A run that notes its stages and sentences, and can be stopped at the beginning of a stage."""

    def __init__(self, model: SamModel, data: Path, folder: Path, **changes: Any) -> None:
        self.model = model
        self.options = replace(
            TrainingOptions(data, folder, views=4, steps=4, threads=1), **changes
        )
        self.stages: list[str] = []
        self.said: list[str] = []
        self.stop_at = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress | None]:
        self.stages.append(name)
        yield None

    def __call__(self) -> Any:
        return train_from_folder(
            *(self.options, self.model, self.stage, self.said.append),
            should_stop=lambda: self.stages[-1] == self.stop_at,
        )


def test_a_run_ends_with_a_finder_that_fits_its_model(
    model: SamModel, data: Path, tmp_path: Path
) -> None:
    run = Run(model, data, tmp_path)
    file = run()
    assert run.stages == STAGES
    assert file.path == tmp_path / "finder.safetensors"
    finder = load_finder(model, file.path)
    plane = draw_scene()[0][..., 0]
    maps = finder.predict_maps(model.embed(plane, stages=True), to_rgb(plane))
    assert np.isfinite(maps.foreground).all()
    facts = finder.card.facts
    (described,) = facts["sets"]
    assert (described["name"], described["licence"]) == ("own", "CC0")
    assert described["split"] == {"train": 4, "validate": 1}
    assert described["objects"] == 30
    assert (facts["views"], facts["steps"], facts["weights_may_ship"]) == (4, 4, True)
    curve = json.loads((tmp_path / "curve.json").read_text())
    assert [point["step"] for point in curve] == [1, 2, 3, 4]
    assert ["validation" in point for point in curve] == [False, True, False, True]
    with Image.open(tmp_path / "curves.png") as plot:
        assert plot.size[0] > 500


@pytest.mark.usefixtures("no_plots")
def test_on_a_gpu_no_features_are_kept(
    model: SamModel, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of a GPU, on this processor: stopped and resumed, it ends with the same bytes."""
    monkeypatch.setattr(pipeline, "_on_gpu", lambda encoder: True)
    monkeypatch.setattr(pipeline, "GPU_BATCH", 2)
    whole = Run(model, data, tmp_path / "whole")
    file = whole()
    assert whole.stages == ["images", "steps", "calibration"]
    assert not (tmp_path / "whole" / "features").exists()
    facts = read_finder(file.path).card.facts
    # Two batches of two views, each learned from twice.
    assert (facts["views"], facts["steps"]) == (4, 4)
    run = Run(model, data, tmp_path / "run")
    run.stop_at = "steps"
    with pytest.raises(Cancelled):
        run()
    run.stop_at = ""
    assert run().sha256 == file.sha256


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize(
    "stop_at", ["images", "features", "validation features", "steps", "calibration"]
)
def test_a_run_is_resumed_at_every_stage(
    model: SamModel, data: Path, folders: Path, tmp_path: Path, stop_at: str
) -> None:
    whole = Run(model, data, folders / "whole")()
    run = Run(model, data, tmp_path / "run")
    run.stop_at = stop_at
    with pytest.raises(Cancelled):
        run()
    assert run.stages[-1] == stop_at
    run.stop_at = ""
    assert run().sha256 == whole.sha256


@pytest.mark.usefixtures("no_plots")
def test_a_finished_run_computes_nothing(model: SamModel, data: Path, tmp_path: Path) -> None:
    first = Run(model, data, tmp_path)()
    run = Run(model, data, tmp_path)
    assert run().sha256 == first.sha256
    assert "images" not in run.stages
    assert any("Resumed at step 4" in each for each in run.said)


@pytest.mark.usefixtures("no_plots")
def test_the_calibration_is_kept(model: SamModel, data: Path, tmp_path: Path) -> None:
    run = Run(model, data, tmp_path)
    card = run().card
    assert card.quality == QUALITY
    assert run.stages[-1] == "calibration"
    (tmp_path / "finder.safetensors").unlink()
    again = Run(model, data, tmp_path)
    assert again().card == card
    assert "calibration" not in again.stages
    # That of other weights is of no use.
    record = json.loads((tmp_path / "calibration.json").read_text())
    (tmp_path / "calibration.json").write_text(json.dumps({**record, "finder": "0"}))
    third = Run(model, data, tmp_path)
    assert third().card == card
    assert third.stages[-1] == "calibration"


def test_without_matplotlib_a_sentence_says_so(
    model: SamModel, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    run = Run(model, data, tmp_path)
    run()
    assert any(r"napari-segany[evaluate]" in each for each in run.said)
    assert not (tmp_path / "curves.png").exists()


@pytest.mark.usefixtures("no_plots")
def test_all_licences(model: SamModel, data: Path, tmp_path: Path) -> None:
    facts = Run(model, data, tmp_path, shippable=False)().card.facts
    assert [each["name"] for each in facts["sets"]] == ["closed", "own"]
    assert facts["weights_may_ship"] is False


def test_data_without_a_set_that_may_be_used(model: SamModel, tmp_path: Path) -> None:
    write_manifest(tmp_path, own=write_set(tmp_path, "own", 1, weights_may_ship=False))
    with pytest.raises(InputError, match=r"no image for training; .*--all-licences"):
        Run(model, tmp_path, tmp_path)()


@pytest.mark.usefixtures("no_plots")
def test_data_of_two_sources_are_all_learned_from(model: SamModel, tmp_path: Path) -> None:
    write_manifest(tmp_path, own=write_set(tmp_path, "own", 2))
    run = Run(model, tmp_path, tmp_path / "out")
    [described] = run().card.facts["sets"]
    assert described["split"] == {"train": 2}
    assert "validation features" not in run.stages


def test_data_without_objects(model: SamModel, tmp_path: Path) -> None:
    write_manifest(tmp_path, own=write_set(tmp_path, "own", 3))
    for path in (tmp_path / "own" / "labels").iterdir():
        tifffile.imwrite(path, np.full((180, 240), -1, np.int16))
    with pytest.raises(InputError, match=r"No label image has an object: .* all 3 "):
        Run(model, tmp_path, tmp_path / "out")()
    assert not (tmp_path / "out").exists()


def test_labels_of_another_shape_are_found_first(model: SamModel, tmp_path: Path) -> None:
    write_manifest(tmp_path, own=write_set(tmp_path, "own", 3))
    tifffile.imwrite(tmp_path / "own" / "labels" / "image1.tif", np.ones((180, 239), np.int16))
    with pytest.raises(InputError, match=r"image1\.tif has shape \(180, 239\)"):
        Run(model, tmp_path, tmp_path / "out")()


@pytest.mark.parametrize("change", [{"views": 0}, {"steps": 0}, {"threads": 0}, {"seed": -1}])
def test_numbers_out_of_range(change: dict[str, int]) -> None:
    with pytest.raises(InputError, match="must be at least"):
        TrainingOptions(Path("data"), Path("out"), **change)


def test_curves_of_few_steps(tmp_path: Path) -> None:
    for curve in ([], [{"step": 25, "loss": 1.0, "foreground": 0.5}]):
        plot_curves(curve, tmp_path / "curves.png")
        with Image.open(tmp_path / "curves.png") as plot:
            assert plot.format == "PNG"


@pytest.fixture
def command(model: SamModel, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command with short lengths; it finds the small random model."""
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: model)
    return ["train", "--from-scratch", "--views", "3", "--steps", "2", "--threads", "1"]


@pytest.mark.usefixtures("no_plots")
def test_the_command(
    command: list[str], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, str(data), "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "features: 3 of 3" in out
    assert "steps: 2 of 2" in out
    assert str(tmp_path / "finder.safetensors") in out
    assert read_finder(tmp_path / "finder.safetensors").card.facts["steps"] == 2
    assert main([*command, str(data), "-o", str(tmp_path), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--steps", "0"], "steps must be at least 1, got 0"),
        (["--steps", "many"], "invalid int value"),
    ],
)
def test_wrong_usage(
    command: list[str],
    data: Path,
    change: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*command, *change, str(data), "-o", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_a_manifest(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    assert "has no MANIFEST.json" in capsys.readouterr().err


def test_options_of_the_other_way_are_refused(
    command: list[str], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["-o", str(tmp_path / "out")]
    assert main([*command, str(data), "--truth", str(data), *out]) == 2
    assert "takes one folder of training sets" in capsys.readouterr().err
    assert main(["train", str(data), "--truth", str(data), "--views", "3", *out]) == 2
    assert "--views belongs to --from-scratch" in capsys.readouterr().err


def test_lines_tell_the_time_left() -> None:
    now = [0.0]
    said: list[str] = []
    lines = TimedLines("steps", said.append, lambda: now[0])
    # Steps of an earlier run are done with the first call.
    for done, at in ((500, 1), (501, 11), (504, 41), (505, 45), (510, 101)):
        now[0] = at
        lines(done, 510)
    assert said == ["steps: 504 of 510, 60.0 s left", "steps: 510 of 510"]


def test_lines_tell_no_more_time_than_a_stage_may_take() -> None:
    now = [0.0]
    said: list[str] = []
    lines = TimedLines("learning", said.append, lambda: now[0], most=100)
    for done, at in ((0, 0), (1, 40), (2, 110)):
        now[0] = at
        lines(done, 300)
    assert said == ["learning: 1 of 300, 60.0 s left", "learning: 2 of 300, 0.0 s left"]
