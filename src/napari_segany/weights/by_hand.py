"""Published models without a published hash, or behind a gate: imported by hand, never fetched.

A download that cannot be checked is not made. A file that a person chose is hashed when it is
imported, and checked against that hash whenever it is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ByHandSpec:
    """One published model that is imported by hand.

    Attributes
    ----------
    id, title : str
        A name for the import, and a short description.
    architecture : str
        Networks that the weights belong to.
    licence : str
        Terms of the weights.
    page : str
        Address of the page that has the file.
    file : str
        Name of the file.
    gated : bool
        True if the page gives the file only to accounts whose request was granted.
    """

    id: str
    title: str
    architecture: str
    licence: str
    page: str
    file: str = "model.safetensors"
    gated: bool = False

    @property
    def way(self) -> str:
        """Description of how the weights are had, in sentences."""
        return f"{self.steps}, then run: napari-segany models import {self.file} --name {self.id}"

    @property
    def steps(self) -> str:
        """Sentences on why the weights are not fetched and where they are, without an end."""
        gate = " The page is gated: ask for access there with your account." if self.gated else ""
        return (
            f"{self.id} is not fetched, because no hash of it is published.{gate} Download "
            f"{self.file} from {self.page} ({self.licence})"
        )


_HUB = "https://huggingface.co"

_SPECS = (
    *(
        ByHandSpec(
            f"sam_hq_vit_{size}",
            f"SAM-HQ, ViT-{size.upper()}; needs transformers",
            f"sam_hq_{size}",
            "Apache-2.0",
            f"{_HUB}/lkeab/hq-sam",
            f"sam_hq_vit_{size}.pth",
        )
        for size in "blh"
    ),
    ByHandSpec(
        "sam3",
        "SAM 3, points, boxes and masks; needs transformers",
        "sam3",
        "SAM License",
        f"{_HUB}/facebook/sam3",
        gated=True,
    ),
    ByHandSpec(
        "edgetam",
        "EdgeTAM; needs transformers and timm",
        "edgetam",
        "Apache-2.0",
        f"{_HUB}/yonigozlan/EdgeTAM-hf",
    ),
)

BY_HAND: Mapping[str, ByHandSpec] = MappingProxyType({spec.id: spec for spec in _SPECS})
"""Every such model by its id, in the order in which lists show them."""
