"""A whole model that answers in milliseconds, the same in every process."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_segany.models.sam.model import SamModel
from napari_segany.networks.mask_decoder import MaskDecoder
from napari_segany.networks.prompt_encoder import PromptEncoder
from napari_segany.networks.sam import Sam
from napari_segany.networks.work_pieces import Spread, one_by_one
from napari_segany.weights.resolve import Weights


class PatchEncoder(nn.Module):
    """The least that can stand where an image encoder stands: one code for each 16 x 16 pixels.

    Its finer stages are the image itself, at a half and at a quarter of its size.
    """

    finer_stages = ((12, 4), (12, 2))

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 256, kernel_size=16, stride=16)

    def forward(
        self,
        image: Tensor,
        on_block: Callable[[], object] | None = None,
        spread: Spread = one_by_one,
        on_stage: Callable[[Tensor], object] | None = None,
    ) -> Tensor:
        del spread
        if on_block is not None:
            on_block()
        if on_stage is not None:
            for pooled in (2, 4):
                smaller = functional.pixel_unshuffle(functional.avg_pool2d(image, pooled), 2)
                on_stage(smaller.permute(0, 2, 3, 1).contiguous())
        out: Tensor = self.patches(image)
        return out


def use_tiny_model() -> None:
    """Whatever model is asked for in this process, it is the tiny one."""
    from napari_segany.models import registry

    torch.set_num_threads(1)
    tiny = build_tiny_model()
    registry.load_model = lambda *_, **__: tiny


def build_tiny_model() -> SamModel:
    """A model with random weights and a frame of 128 pixels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Sam(PatchEncoder(), PromptEncoder(grid=8), MaskDecoder())
    network.eval().requires_grad_(False)
    return SamModel(network, Weights("tiny", "none", Path("tiny"), "0"), torch.device("cpu"))
