"""Weights of EdgeTAM as transformers publishes them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

from napari_segany.weights.image_family import INSTALL, ImageFamily
from napari_segany.weights.original_names import without
from napari_segany.weights.sam2_files import VIDEO_ONLY

BACKBONE = "vision_encoder.backbone.timm_model."
"""Beginning of the names of the image encoder's tensors."""


def config() -> Any:
    """Return the configuration of transformers; the image encoder is RepViT-M1 of timm."""
    import transformers

    backbone = transformers.TimmWrapperConfig(
        architecture="repvit_m1.dist_in1k",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    return transformers.EdgeTamConfig(
        vision_config=transformers.EdgeTamVisionConfig(backbone_config=backbone),
        prompt_encoder_config=transformers.EdgeTamPromptEncoderConfig(),
        mask_decoder_config=transformers.EdgeTamMaskDecoderConfig(),
    )


def identify_edgetam(state: Mapping[str, Tensor]) -> str | None:
    """Return the architecture of tensors of EdgeTAM; None for other families."""
    return "edgetam" if any(name.startswith(BACKBONE) for name in state) else None


def convert_edgetam(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that images need."""
    return without(state, (*VIDEO_ONLY, "spatial_perceiver"))


EDGETAM = ImageFamily(
    title="EdgeTAM",
    network="EdgeTamModel",
    configs=MappingProxyType({"edgetam": config}),
    convert=convert_edgetam,
    recognise=identify_edgetam,
    install=f"{INSTALL} timm torchvision",
)
"""EdgeTAM, whose image encoder is one of timm's."""
