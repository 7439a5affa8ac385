"""Registry of the families of image models whose networks transformers holds."""

from collections.abc import Mapping

from torch import Tensor

from napari_segany.weights.edgetam_files import EDGETAM
from napari_segany.weights.image_family import ImageFamily
from napari_segany.weights.sam2_files import SAM2
from napari_segany.weights.sam3_files import SAM3
from napari_segany.weights.sam_hq_files import SAM_HQ

IMAGE_FAMILIES: tuple[ImageFamily, ...] = (SAM2, SAM_HQ, SAM3, EDGETAM)
"""Every family of image models that transformers holds."""


def family_of(architecture: str) -> ImageFamily | None:
    """Return the family that has an architecture; None for those of our own networks."""
    return next((each for each in IMAGE_FAMILIES if architecture in each.configs), None)


def identify(state: Mapping[str, Tensor]) -> str | None:
    """Return the architecture of weights in any layout of these families; None for others."""
    for family in IMAGE_FAMILIES:
        if found := family.recognise(family.convert(state)):
            return found
    return None
