"""Catalogue of published text models: repositories, licences, sizes and thresholds.

A text model is a folder as transformers writes it. Their publishers state no hashes; the hash of a
folder's files is taken when it is fetched or imported, and recipes record it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

HOST = "https://huggingface.co"
"""Host of the published repositories."""


@dataclass(frozen=True)
class TextFamily:
    """A family of text models.

    Attributes
    ----------
    model_type : str
        The family's name in the file ``config.json`` of a folder.
    threshold : float
        Score that objects must exceed by default, 0..1.
    ranks : bool
        True if it ranks masks that are found without it; False if it finds boxes.
    gated : bool
        True if its weights are given to accounts whose request was granted; it is then used where
        it is named, and never by default.
    """

    model_type: str
    threshold: float
    ranks: bool = False
    gated: bool = False


FAMILIES: Mapping[str, TextFamily] = MappingProxyType(
    {
        each.model_type: each
        for each in (
            TextFamily("owlv2", 0.2),
            TextFamily("grounding-dino", 0.3),
            # A folder of its detector alone, and the published one, which has a tracker as well.
            TextFamily("sam3", 0.5, gated=True),
            TextFamily("sam3_video", 0.5, gated=True),
            TextFamily("clip", 0.5, ranks=True),
        )
    }
)
"""Every family of text models by its name in ``config.json``."""


@dataclass(frozen=True)
class TextModelSpec:
    """One published text model.

    Attributes
    ----------
    id, title : str
        Its name here, and a short description.
    model_type : str
        Its family.
    repository : str
        Owner and name of the repository.
    licence : str
        Terms of the weights.
    megabytes : int
        Size of the weights in float32, from the number of parameters.
    """

    id: str
    title: str
    model_type: str
    repository: str
    licence: str
    megabytes: int

    @property
    def address(self) -> str:
        """Address of the repository."""
        return f"{HOST}/{self.repository}"

    @property
    def gated(self) -> bool:
        """True if its weights are given to accounts whose request was granted."""
        return FAMILIES[self.model_type].gated

    @property
    def way(self) -> str:
        """Description of how the files are had by hand, without an initial."""
        gate = "its page is gated: ask for access there with your account. Then " * self.gated
        return (
            f"{gate}download the files of {self.address} into a folder by hand, then run: "
            f"napari-segany models import FOLDER --name {self.id}"
        )


_SPECS = (
    TextModelSpec(
        "owlv2_base",
        "OWLv2, ViT-B/16: boxes for phrases",
        "owlv2",
        "google/owlv2-base-patch16-ensemble",
        "Apache-2.0",
        620,
    ),
    TextModelSpec(
        "grounding_dino_tiny",
        "Grounding DINO, Swin-T: boxes for phrases",
        "grounding-dino",
        "IDEA-Research/grounding-dino-tiny",
        "Apache-2.0",
        689,
    ),
    TextModelSpec(
        "clip_vit_b32",
        "CLIP, ViT-B/32: ranks the masks of a grid",
        "clip",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "MIT",
        605,
    ),
    TextModelSpec(
        "sam3_concepts",
        "SAM 3: boxes and masks for phrases",
        "sam3_video",
        "facebook/sam3",
        "SAM License",
        3440,
    ),
)

TEXT_CATALOG: Mapping[str, TextModelSpec] = MappingProxyType({spec.id: spec for spec in _SPECS})
"""Every published text model by its id, in the order in which they are preferred."""
