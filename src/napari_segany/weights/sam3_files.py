"""Weights of SAM 3 as transformers publishes them: the part that answers points, boxes and masks.

The published file holds a detector, which finds what phrases name, and a tracker, which answers
prompts and follows objects through videos. They share the image encoder; of the detector only that
is read here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

from napari_segany.weights.image_family import ImageFamily
from napari_segany.weights.original_names import Rules, renamed, without
from napari_segany.weights.sam2_files import VIDEO_ONLY

STEM = "vision_encoder.backbone.embeddings.patch_embeddings.projection.weight"
"""Tensor by whose width the family is told."""

WIDTH = 1024
"""Channels of the image encoder of the published model."""

RULES: Rules = (
    (r"^detector_model\.vision_encoder\.backbone\.", "vision_encoder.backbone."),
    (r"^tracker_neck\.", "vision_encoder.neck."),
    (r"^tracker_model\.", ""),
)
"""Names in the published file, and those of the network that answers prompts."""

DETECTOR = ("detector_model.",)
"""Beginnings of the names of tensors that only phrases need."""


def config() -> Any:
    """Return the configuration of transformers."""
    import transformers

    vision = transformers.Sam3VisionConfig(
        backbone_config=transformers.Sam3ViTConfig(),
        backbone_feature_sizes=[[288, 288], [144, 144], [72, 72]],
    )
    return transformers.Sam3TrackerConfig(
        vision_config=vision,
        prompt_encoder_config=transformers.Sam3TrackerPromptEncoderConfig(),
        mask_decoder_config=transformers.Sam3TrackerMaskDecoderConfig(),
    )


def identify_sam3(state: Mapping[str, Tensor]) -> str | None:
    """Return the architecture of tensors of the tracker; None for other families."""
    return "sam3" if STEM in state and state[STEM].shape[0] == WIDTH else None


def convert_sam3(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the tracker that images need."""
    return without(renamed(state, RULES), (*DETECTOR, *VIDEO_ONLY))


def video_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that only the tracking of videos uses, named as in transformers.

    There are none in files of the image model.
    """
    named = renamed(without(state, DETECTOR), RULES)
    return {name: value for name, value in named.items() if name.startswith(VIDEO_ONLY)}


SAM3 = ImageFamily(
    title="SAM 3",
    network="Sam3TrackerModel",
    configs=MappingProxyType({"sam3": config}),
    convert=convert_sam3,
    recognise=identify_sam3,
)
"""SAM 3, for points, boxes and masks."""
