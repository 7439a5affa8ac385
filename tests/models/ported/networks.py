"""Tiny networks of the families of transformers, with random weights, and their own answers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_segany import Prompt
from napari_segany.models.edgetam.model import EdgeTamImageModel
from napari_segany.models.ported.model import PortedModel
from napari_segany.models.sam2.model import Sam2ImageModel
from napari_segany.models.sam3.model import Sam3TrackerImageModel
from napari_segany.models.sam_hq.model import SamHqModel
from napari_segany.weights.resolve import Weights

SHAPE = (40, 56)
IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def sam2_config() -> Any:
    """A SAM 2 with a frame of 128 pixels."""
    import transformers

    backbone = transformers.Sam2HieraDetConfig(
        image_size=[128, 128],
        hidden_size=8,
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[3],
    )
    vision = transformers.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=256,
    )
    return transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"image_size": 128, "patch_size": 16},
        mask_decoder_config={"mlp_dim": 64},
    )


def sam_hq_config() -> Any:
    """A SAM-HQ with a frame of 128 pixels."""
    import transformers

    return transformers.SamHQConfig(
        vision_config={
            "image_size": 128,
            "patch_size": 16,
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "global_attn_indexes": [1, 2],
            "window_size": 4,
            "initializer_range": 0.02,
        },
        prompt_encoder_config={"image_size": 128, "patch_size": 16},
        mask_decoder_config={"mlp_dim": 64, "vit_dim": 32},
    )


def sam3_config() -> Any:
    """A tracker of SAM 3 with a frame of 112 pixels and patches of 14."""
    import transformers

    backbone = transformers.Sam3ViTConfig(
        image_size=112,
        patch_size=14,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        window_size=4,
        global_attn_indexes=[1],
        pretrain_image_size=56,
    )
    vision = transformers.Sam3VisionConfig(
        backbone_config=backbone, backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]]
    )
    return transformers.Sam3TrackerConfig(
        vision_config=vision,
        prompt_encoder_config={"image_size": 112, "patch_size": 14},
        mask_decoder_config={"mlp_dim": 64},
    )


def edgetam_config() -> Any:
    """An EdgeTAM with a frame of 128 pixels; RepViT has no smaller size."""
    import transformers

    from napari_segany.weights.edgetam_files import config

    made = config()
    sizes = [[32, 32], [16, 16], [8, 8]]
    return transformers.EdgeTamConfig(
        vision_config=transformers.EdgeTamVisionConfig(
            backbone_config=made.vision_config.backbone_config, backbone_feature_sizes=sizes
        ),
        prompt_encoder_config={"image_size": 128, "patch_size": 16},
        mask_decoder_config={"mlp_dim": 64},
    )


@dataclass(frozen=True)
class TinyFamily:
    """A family with a tiny network.

    Attributes
    ----------
    network_class : str
        Its name in transformers.
    config : callable
        Makes its configuration.
    adapter : type
        Of this package.
    architecture : str
    side : int
        Of the frame, in pixels.
    colours : tuple of list
        Mean and standard deviation.
    squashed : bool
        False where planes keep their aspect ratio.
    """

    network_class: str
    config: Callable[[], Any]
    adapter: type[PortedModel]
    architecture: str
    side: int = 128
    colours: tuple[list[float], list[float]] = IMAGENET
    squashed: bool = True

    def scaled(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of a plane inside the frame."""
        if self.squashed:
            return self.side, self.side
        longest = max(shape)
        return round(shape[0] * self.side / longest), round(shape[1] * self.side / longest)

    def pixels(self, plane: NDArray[np.uint8]) -> torch.Tensor:
        """A plane as the published preparation hands it to the network."""
        rows, cols = self.scaled(plane.shape[:2])
        small = Image.fromarray(plane).resize((cols, rows), Image.Resampling.BILINEAR)
        scaled = (np.asarray(small) / 255 - self.colours[0]) / self.colours[1]
        framed = np.zeros((self.side, self.side, 3), np.float32)
        framed[:rows, :cols] = scaled
        return torch.from_numpy(framed).permute(2, 0, 1)[None]

    def xy(self, rows_cols: Any, shape: tuple[int, int] = SHAPE) -> torch.Tensor:
        """x, y in the frame for rows and columns of a plane."""
        places = np.asarray(rows_cols, np.float64).reshape(-1, 2)
        rows, cols = self.scaled(shape)
        return torch.tensor(places[:, ::-1] * [cols / shape[1], rows / shape[0]]).float()

    def arguments(self, prompt: Prompt) -> dict[str, Any]:
        """A prompt as arguments of the network."""
        given: dict[str, Any] = {}
        if prompt.points is not None:
            given["input_points"] = self.xy(prompt.points)[None, None]
            given["input_labels"] = torch.from_numpy(np.array(prompt.labels))[None, None].int()
        if prompt.box is not None:
            given["input_boxes"] = self.xy(prompt.box).reshape(1, 1, 4)
        if prompt.mask_logits is not None:
            given["input_masks"] = torch.from_numpy(np.array(prompt.mask_logits))[None, None]
        return given

    @torch.no_grad()
    def theirs(self, network: Any, plane: NDArray[np.uint8], prompt: Prompt, many: bool) -> Any:
        """Logits and scores of transformers' own call for one prompt."""
        out = network(
            pixel_values=self.pixels(plane), multimask_output=many, **self.arguments(prompt)
        )
        return out.pred_masks[0, 0].numpy(), out.iou_scores[0, 0].numpy()


TINY = {
    "sam2": TinyFamily("Sam2Model", sam2_config, Sam2ImageModel, "sam2_t"),
    "sam_hq": TinyFamily("SamHQModel", sam_hq_config, SamHqModel, "sam_hq_b", squashed=False),
    "sam3": TinyFamily(
        *("Sam3TrackerModel", sam3_config, Sam3TrackerImageModel, "sam3", 112),
        colours=([0.5] * 3, [0.5] * 3),
    ),
    "edgetam": TinyFamily("EdgeTamModel", edgetam_config, EdgeTamImageModel, "edgetam"),
}
"""Every family by its name in the registry."""


@cache
def network_of(name: str) -> Any:
    """The tiny network of a family, made once; do not change it."""
    import transformers

    family = TINY[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = getattr(transformers, family.network_class)(family.config())
        for value in made.parameters():
            value.data.add_(torch.randn_like(value) * 0.02)
    if name == "sam2":
        # Published files hold one matrix for both.
        shared = made.prompt_encoder.shared_embedding.positional_embedding
        made.shared_image_embedding.positional_embedding.data.copy_(shared)
    if name == "sam3":
        # Transformers adds it to a map that it does not use; see test_families.
        made.no_memory_embedding.data.fill_(1e-9)
    return made.eval().requires_grad_(False)


def model_of(name: str) -> PortedModel:
    """A family's model with its tiny network."""
    family = TINY[name]
    weights = Weights(f"tiny_{name}", family.architecture, Path("tiny"), "2" * 64)
    return family.adapter(network_of(name), weights, torch.device("cpu"))


def plane_of(shape: tuple[int, int] = SHAPE) -> NDArray[np.uint8]:
    """A smooth colour image."""
    coarse = np.random.default_rng(0).integers(0, 255, (5, 7, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC))
