"""Weights of SAM 2.1 in the layout of transformers: recognised by their shapes, loaded whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import Tensor

from napari_segany.errors import InputError, WeightsError

STEM = "vision_encoder.backbone.patch_embed.projection.weight"
"""Tensor by whose name the layout is told."""

BLOCKS = "vision_encoder.backbone.blocks."

VIDEO_ONLY = (
    *("memory_", "mask_downsample", "object_pointer_proj", "no_object_pointer"),
    *("temporal_positional_encoding_projection_layer", "no_memory_positional_encoding"),
    "occlusion_spatial_embedding_parameter",
)
"""Beginnings of the names of tensors that only the tracking of videos uses."""


@dataclass(frozen=True)
class HieraShape:
    """Sizes of the image encoder of one published SAM 2.1.

    Attributes
    ----------
    width : int
        Channels of the first stage; each further stage has twice as many.
    heads : int
        Attention heads of the first stage.
    blocks : tuple of int
        Blocks of each stage.
    global_blocks : tuple of int
        Blocks that attend to the whole image.
    windows : tuple of int
        Side of the windows of each stage.
    background : int
        Side of the positional embedding of the whole image.
    """

    width: int
    heads: int
    blocks: tuple[int, int, int, int]
    global_blocks: tuple[int, int, int]
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    background: int = 7

    def config(self) -> Any:
        """Return the configuration of transformers."""
        import transformers

        widths = [self.width * 2**stage for stage in range(4)]
        backbone = transformers.Sam2HieraDetConfig(
            hidden_size=self.width,
            num_attention_heads=self.heads,
            blocks_per_stage=list(self.blocks),
            embed_dim_per_stage=widths,
            num_attention_heads_per_stage=[self.heads * 2**stage for stage in range(4)],
            window_size_per_stage=list(self.windows),
            global_attention_blocks=list(self.global_blocks),
            window_positional_embedding_background_size=[self.background] * 2,
        )
        vision = transformers.Sam2VisionConfig(
            backbone_config=backbone, backbone_channel_list=widths[::-1]
        )
        return transformers.Sam2Config(vision_config=vision)


SAM2_SHAPES: Mapping[str, HieraShape] = MappingProxyType(
    {
        "sam2_t": HieraShape(96, 1, (1, 2, 7, 2), (5, 7, 9)),
        "sam2_s": HieraShape(96, 1, (1, 2, 11, 2), (7, 10, 13)),
        "sam2_b": HieraShape(112, 2, (2, 3, 16, 3), (12, 16, 20), background=14),
        "sam2_l": HieraShape(144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8)),
    }
)
"""Sizes by architecture: tiny, small, base plus and large."""


def is_sam2(architecture: str) -> bool:
    """Return whether an architecture is one of SAM 2.1."""
    return architecture in SAM2_SHAPES


def identify_sam2(state: Mapping[str, Tensor]) -> str | None:
    """Return the architecture of weights in this layout; None for those of another layout."""
    if STEM not in state:
        return None
    width = state[STEM].shape[0]
    blocks = {name[len(BLOCKS) :].partition(".")[0] for name in state if name.startswith(BLOCKS)}
    for name, shape in SAM2_SHAPES.items():
        if width == shape.width and len(blocks) == sum(shape.blocks):
            return name
    return None


def image_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that images need, without those of the tracking of videos."""
    return {name: value for name, value in state.items() if not name.startswith(VIDEO_ONLY)}


def video_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the tracking of videos alone; none in files of the image model."""
    return {name: value for name, value in state.items() if name.startswith(VIDEO_ONLY)}


def build_sam2(architecture: str) -> Any:
    """Return the network of an architecture with random weights.

    Raises
    ------
    InputError
        transformers is not installed.
    """
    try:
        from transformers import Sam2Model
    except ImportError as error:
        raise InputError('SAM 2.1 needs transformers: pip install "napari-segany[text]"') from error
    return Sam2Model(SAM2_SHAPES[architecture].config()).eval().requires_grad_(False)


def load_sam2_state(architecture: str, state: Mapping[str, Tensor]) -> Any:
    """Return the network with exactly these weights, float32 on the CPU.

    Raises
    ------
    WeightsError
        A tensor is missing, unknown or of another shape.
    """
    network = build_sam2(architecture)
    try:
        network.load_state_dict(image_tensors(state))
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise WeightsError(f"The weights do not fit {architecture}: {said[:300]}") from error
    return network
