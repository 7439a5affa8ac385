"""Weights of SAM 2 and 2.1, in the layout of transformers and in that of the original files."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from napari_segany.weights.image_family import ImageFamily
from napari_segany.weights.original_names import (
    PROMPTS_AND_MASKS,
    Rules,
    renamed,
    three_layers,
    without,
)

STEM = "vision_encoder.backbone.patch_embed.projection.weight"
"""Tensor by whose width the size is told, in the layout of transformers."""

BLOCKS = "vision_encoder.backbone.blocks."

VIDEO_ONLY = (
    *("memory_", "mask_downsample", "object_pointer_proj", "no_object_pointer"),
    *("temporal_positional_encoding_projection_layer", "no_memory_positional_encoding"),
    "occlusion_spatial_embedding_parameter",
)
"""Beginnings of the names of tensors that only the tracking of videos uses."""

ORIGINAL_VIDEO_ONLY = (
    *("memory_attention.", "memory_encoder.", "mask_downsample.", "obj_ptr_proj."),
    *("obj_ptr_tpos_proj.", "maskmem_tpos_enc", "no_mem_pos_enc", "no_obj_ptr"),
    "no_obj_embed_spatial",
)
"""The same in the original files."""

RULES: Rules = (
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
    (r"\.out_proj\.", ".o_proj."),
    *PROMPTS_AND_MASKS,
    *three_layers(r"output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head"),
)
"""Names of the original files, and those of transformers."""

MEMORY_RULES: Rules = (
    (r"^obj_ptr_proj\.layers\.0\.", "object_pointer_proj.proj_in."),
    (r"^obj_ptr_proj\.layers\.1\.", "object_pointer_proj.layers.0."),
    (r"^obj_ptr_proj\.layers\.2\.", "object_pointer_proj.proj_out."),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^(memory_encoder)\.out_proj\.", r"\1.projection."),
    (r"^(memory_encoder)\.pix_feat_proj\.", r"\1.feature_projection."),
    (r"^(memory_encoder)\.fuser\.", r"\1.memory_fuser."),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
    (r"\.gamma$", ".scale"),
    *(
        rule
        for layer in range(4)
        for rule in (
            (rf"\.encoder\.{3 * layer}\.", f".layers.{layer}.conv."),
            (rf"\.encoder\.{3 * layer + 1}\.", f".layers.{layer}.layer_norm."),
        )
    ),
    (r"\.encoder\.12\.", ".final_conv."),
    (r"\.norm(\d?)\.", r".layer_norm\1."),
    (r"\.out_proj\.", ".o_proj."),
)
"""Names of the video memory in the original files, and those of transformers."""

POINTS = "prompt_encoder.point_embeddings."
"""Beginning of the names of the four embeddings of points, which transformers stacks."""


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
        return transformers.Sam2Config(
            vision_config=vision,
            prompt_encoder_config=transformers.Sam2PromptEncoderConfig(),
            mask_decoder_config=transformers.Sam2MaskDecoderConfig(),
        )


SAM2_SHAPES: Mapping[str, HieraShape] = MappingProxyType(
    {
        "sam2_t": HieraShape(96, 1, (1, 2, 7, 2), (5, 7, 9)),
        "sam2_s": HieraShape(96, 1, (1, 2, 11, 2), (7, 10, 13)),
        "sam2_b": HieraShape(112, 2, (2, 3, 16, 3), (12, 16, 20), background=14),
        "sam2_l": HieraShape(144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8)),
    }
)
"""Sizes by architecture: tiny, small, base plus and large."""


def identify_sam2(state: Mapping[str, Tensor]) -> str | None:
    """Return the architecture of tensors named as in transformers; None for other families."""
    if STEM not in state:
        return None
    width = state[STEM].shape[0]
    blocks = {name[len(BLOCKS) :].partition(".")[0] for name in state if name.startswith(BLOCKS)}
    for name, shape in SAM2_SHAPES.items():
        if width == shape.width and len(blocks) == sum(shape.blocks):
            return name
    return None


def convert_sam2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that images need, named as in transformers.

    Those of the original files are renamed; the four embeddings of points are stacked, and the
    matrix of the positional embedding serves prompts and image.
    """
    if not any(name.startswith("image_encoder.trunk.") for name in state):
        return without(state, VIDEO_ONLY)
    found = renamed(without(state, ORIGINAL_VIDEO_ONLY), RULES)
    rows = [name for i in range(4) if (name := f"{POINTS}{i}.weight") in found]
    # Rows of different lengths stay, and are refused by their names.
    if len({found[name].shape[1:] for name in rows}) == 1:
        found["prompt_encoder.point_embed.weight"] = torch.cat([found.pop(name) for name in rows])
    shared = found.get("prompt_encoder.shared_embedding.positional_embedding")
    if shared is not None:
        found["shared_image_embedding.positional_embedding"] = shared
    return found


def video_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that only the tracking of videos uses, named as in transformers.

    There are none in files of the image model.
    """
    known = (*VIDEO_ONLY, *ORIGINAL_VIDEO_ONLY)
    own = {name: value for name, value in state.items() if name.startswith(known)}
    return renamed(own, MEMORY_RULES)


SAM2 = ImageFamily(
    title="SAM 2",
    network="Sam2Model",
    configs=MappingProxyType({name: shape.config for name, shape in SAM2_SHAPES.items()}),
    convert=convert_sam2,
    recognise=identify_sam2,
)
"""SAM 2 and 2.1, which have the same tensors for images."""
