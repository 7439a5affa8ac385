"""Training loop: it learns, it is deterministic, and it continues after a stop."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.scenes import build_model, write_manifest, write_set
from torch import Tensor

from napari_segany.errors import Cancelled, InputError
from napari_segany.networks.finder import Finder, FinderShape
from napari_segany.training import batches
from napari_segany.training import training_loop as loop
from napari_segany.training.batches import CachedViews
from napari_segany.training.datasets import find_images
from napari_segany.training.encoder import ViewEncoder
from napari_segany.training.feature_cache import ViewPlan, build_cache
from napari_segany.training.training_loop import TrainParams, learn_from_views

PARAMS = TrainParams(steps=10, batch=2, warm_up=3, checkpoint_every=5, learning_rate=0.01)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> CachedViews:
    folder = tmp_path_factory.mktemp("data")
    write_manifest(folder, own=write_set(folder, "own"))
    plan = ViewPlan(tuple(find_images(folder)), 6)
    return CachedViews(build_cache(plan, build_model(), folder, 1))


@pytest.fixture(scope="module")
def shape() -> FinderShape:
    encoder = ViewEncoder.from_model(build_model())
    return replace(encoder.shape, widths=(16, 12, 8), image_width=4, blocks=1)


@pytest.fixture(scope="module")
def in_one_go(
    views: CachedViews, shape: FinderShape, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Finder, Path]:
    folder = tmp_path_factory.mktemp("run")
    return learn_from_views(views, shape, PARAMS, folder, log=lambda _: None), folder


@pytest.fixture(autouse=True)
def frequent_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CURVE_EVERY", 2)


def equal(first: Finder, second: Finder) -> bool:
    there: dict[str, Tensor] = second.state_dict()
    return all(torch.equal(value, there[name]) for name, value in first.state_dict().items())


def test_it_learns(views: CachedViews, shape: FinderShape, tmp_path: Path) -> None:
    params = replace(PARAMS, steps=60, checkpoint_every=60)
    network = learn_from_views(views, shape, params, tmp_path, log=lambda _: None)
    assert not network.training
    curve = json.loads((tmp_path / "curve.json").read_text())
    assert [point["step"] for point in curve] == list(range(2, 61, 2))
    assert curve[-1]["loss"] < 0.8 * curve[0]["loss"]


def test_a_stopped_run_continues_to_the_same_weights(
    views: CachedViews, shape: FinderShape, in_one_go: tuple[Finder, Path], tmp_path: Path
) -> None:
    """It stops after seven steps; the checkpoint is of five."""
    steps: list[int] = []
    said: list[str] = []
    with pytest.raises(Cancelled):
        learn_from_views(
            *(views, shape, PARAMS, tmp_path, said.append, lambda done, _: steps.append(done)),
            should_stop=lambda: len(steps) == 7,
        )
    again = learn_from_views(
        *(views, shape, PARAMS, tmp_path, said.append, lambda done, _: steps.append(done))
    )
    assert steps == [*range(1, 8), *range(6, 11)]
    assert any("Resumed at step 5" in line for line in said)
    assert equal(in_one_go[0], again)


def test_curves_of_a_stopped_run_are_the_same(
    views: CachedViews, shape: FinderShape, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    learn_from_views(views, shape, PARAMS, first, log=lambda _: None)
    steps: list[int] = []
    with pytest.raises(Cancelled):
        learn_from_views(
            *(views, shape, PARAMS, second, lambda _: None, lambda done, _: steps.append(done)),
            should_stop=lambda: len(steps) == 6,
        )
    learn_from_views(views, shape, PARAMS, second, log=lambda _: None)
    assert (first / "curve.json").read_text() == (second / "curve.json").read_text()


def test_a_finished_run_is_not_run_again(
    views: CachedViews,
    shape: FinderShape,
    in_one_go: tuple[Finder, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "train_step", None)
    assert equal(in_one_go[0], learn_from_views(views, shape, PARAMS, in_one_go[1], lambda _: None))


def test_the_seed_decides_the_weights(
    views: CachedViews, shape: FinderShape, in_one_go: tuple[Finder, Path], tmp_path: Path
) -> None:
    other = replace(PARAMS, seed=1)
    assert not equal(in_one_go[0], learn_from_views(views, shape, other, tmp_path, lambda _: None))


@pytest.mark.parametrize("change", [{"steps": 12}, {"seed": 3}, {"batch": 3}])
def test_a_checkpoint_of_another_training_is_refused(
    views: CachedViews,
    shape: FinderShape,
    in_one_go: tuple[Finder, Path],
    change: dict[str, int],
    tmp_path: Path,
) -> None:
    shutil.copytree(in_one_go[1], tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(InputError, match=f"of a training with other {next(iter(change))}"):
        learn_from_views(views, shape, replace(PARAMS, **change), tmp_path, lambda _: None)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_damaged_checkpoint_is_named(
    views: CachedViews, shape: FinderShape, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        learn_from_views(views, shape, PARAMS, tmp_path, lambda _: None)


def test_an_error_while_reading_ends_the_run(
    views: CachedViews, shape: FinderShape, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[int] = []
    read_batch = batches.read_batch

    def fail_later(cache: object, numbers: object, *more: object) -> batches.Batch:
        calls.append(1)
        if len(calls) == 4:
            raise OSError("the disk is gone")
        return read_batch(cache, numbers, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(batches, "read_batch", fail_later)
    steps: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        learn_from_views(
            *(views, shape, PARAMS, tmp_path, lambda _: None, lambda done, _: steps.append(done))
        )
    assert steps == [1, 2, 3]


def test_the_rate_rises_and_falls() -> None:
    params = TrainParams(steps=5000)
    rates = [params.rate(step) for step in (0, 199, 200, 2500, 4999)]
    assert rates == pytest.approx([1e-5, 2e-3, 2e-3, 1.074749e-3, 2.0000212e-5])
