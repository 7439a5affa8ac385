"""Weights of SAM-HQ, in the layout of transformers and in that of the original files."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from torch import Tensor

from napari_segany.weights.image_family import ImageFamily
from napari_segany.weights.original_names import (
    PROMPTS_AND_MASKS,
    Rules,
    renamed,
    three_layers,
    without,
)

STEM = "vision_encoder.patch_embed.projection.weight"
"""Tensor by whose width the size is told, in the layout of transformers."""

OWN = "mask_decoder.hq_token.weight"
"""Tensor that SAM does not have."""

ORIGINAL_OWN = "mask_decoder.hf_token.weight"
"""The same in the original files."""

LEFT_OUT = ("pixel_mean", "pixel_std")
"""Constants that some files hold beside the weights."""

RULES: Rules = (
    (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"^image_encoder\.", "vision_encoder."),
    (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
    (r"\.hf_token\.", ".hq_token."),
    (r"\.hf_mlp\.", ".hq_mask_mlp."),
    (r"\.compress_vit_feat\.0\.", ".compress_vit_conv1."),
    (r"\.compress_vit_feat\.1\.", ".compress_vit_norm."),
    (r"\.compress_vit_feat\.3\.", ".compress_vit_conv2."),
    (r"\.embedding_encoder\.0\.", ".encoder_conv1."),
    (r"\.embedding_encoder\.1\.", ".encoder_norm."),
    (r"\.embedding_encoder\.3\.", ".encoder_conv2."),
    (r"\.embedding_maskfeature\.0\.", ".mask_conv1."),
    (r"\.embedding_maskfeature\.1\.", ".mask_norm."),
    (r"\.embedding_maskfeature\.3\.", ".mask_conv2."),
    *PROMPTS_AND_MASKS,
    *three_layers(r"output_hypernetworks_mlps\.\d+|iou_prediction_head|hq_mask_mlp"),
)
"""Names of the original files, and those of transformers."""

SIZES: Mapping[str, tuple[int, int, int, tuple[int, ...]]] = MappingProxyType(
    {
        "sam_hq_b": (768, 12, 12, (2, 5, 8, 11)),
        "sam_hq_l": (1024, 24, 16, (5, 11, 17, 23)),
        "sam_hq_h": (1280, 32, 16, (7, 15, 23, 31)),
    }
)
"""Width, layers, heads and layers that attend to the whole image, by architecture."""


def config(architecture: str) -> Any:
    """Return the configuration of transformers for one size."""
    import transformers

    width, layers, heads, whole = SIZES[architecture]
    return transformers.SamHQConfig(
        vision_config=transformers.SamHQVisionConfig(
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            global_attn_indexes=list(whole),
        ),
        prompt_encoder_config=transformers.SamHQPromptEncoderConfig(),
        mask_decoder_config=transformers.SamHQMaskDecoderConfig(vit_dim=width),
    )


def identify_sam_hq(state: Mapping[str, Tensor]) -> str | None:
    """Return the architecture of tensors named as in transformers; None for other families."""
    if OWN not in state or STEM not in state:
        return None
    width = state[STEM].shape[0]
    return next((name for name, size in SIZES.items() if size[0] == width), None)


def convert_sam_hq(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors named as in transformers, with the shared positional embedding twice."""
    found = without(state, LEFT_OUT)
    if ORIGINAL_OWN in found:
        found = renamed(found, RULES)
    # One matrix serves prompts and image; files hold it once, under one of two names.
    names = (
        "shared_image_embedding.positional_embedding",
        "prompt_encoder.shared_embedding.positional_embedding",
    )
    there = [found[name] for name in names if name in found]
    return {**found, **dict.fromkeys(names, there[0])} if len(there) == 1 else found


_CONFIGS: dict[str, Callable[[], Any]] = {name: partial(config, name) for name in SIZES}

SAM_HQ = ImageFamily(
    title="SAM-HQ",
    network="SamHQModel",
    configs=MappingProxyType(_CONFIGS),
    convert=convert_sam_hq,
    recognise=identify_sam_hq,
)
"""SAM-HQ with the image encoders ViT-B, ViT-L and ViT-H."""
