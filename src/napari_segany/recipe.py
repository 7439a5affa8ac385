"""Recipes: everything that decides a result, as one frozen object that reads and writes JSON."""

import json
import platform
import re
from dataclasses import asdict, dataclass, field, fields, replace
from math import inf
from numbers import Integral
from typing import Any

from napari_segany.classification.class_set import ClassSet
from napari_segany.core.display import Normalise, check_normalise
from napari_segany.core.intensity import Limits
from napari_segany.core.overlap import Overlap
from napari_segany.core.parameter_info import (
    check_parameters,
    choice,
    integer,
    number,
    with_parameter_docs,
)
from napari_segany.core.planes import Range
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.registry import find_entry
from napari_segany.generators.tile_params import TileParams
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.schema import from_json

FORMAT = 1
"""Version of the JSON; raised when old recipes would be read differently."""

RESULT = "result"
"""Entry of a recipe's file about the files beside it; no part of the recipe."""

TAG = "strategy"
"""Entry of a recipe's ``params`` that names the generator they belong to."""

DEFAULT_TAG = "grid"
"""The generator of a recipe whose parameters name none."""

PRODUCTS = ("labels", "edges", "proposals")
"""Kinds of results that recipes describe."""


@with_parameter_docs
@dataclass(frozen=True)
class LabelParams:
    """Parameters of painting masks into labels; see :func:`napari_segany.core.rasterize.paint`.

    The metadata of a field holds its label, help, range and unit, as for :class:`AutomaticParams`.
    The order of the fields is that of the entries of recipes.

    Raises
    ------
    InputError
        If a value is out of range; the message names it.
    """

    overlap: Overlap = field(
        default="small_on_top",
        metadata=choice(
            "On overlap",
            "Mask that owns a pixel which several masks cover.",
            {
                "small_on_top": "small on top",
                "large_on_top": "large on top",
                "best_on_top": "best on top",
            },
        ),
    )
    min_area: int = field(
        default=0,
        metadata=integer(
            "Smallest object",
            "Leave out masks with fewer pixels, and objects that keep fewer once all are painted.",
            (0, inf),
            "pixels",
        ),
    )
    fill_holes: int = field(
        default=0,
        metadata=integer(
            "Fill holes",
            "Fill holes of single masks below this many pixels.",
            (0, inf),
            "pixels",
            advanced=True,
        ),
    )
    drop_specks: int = field(
        default=0,
        metadata=integer(
            "Drop specks",
            "Drop specks of single masks below this many pixels.",
            (0, inf),
            "pixels",
            advanced=True,
        ),
    )
    min_visible: float = field(
        default=0.1,
        metadata=number(
            "Visible part",
            "Leave out objects of which less than this fraction stays visible. The rim of a mask "
            "that spans several neighbours is no object.",
            (0, 1),
            "fraction",
            advanced=True,
        ),
    )

    def __post_init__(self) -> None:
        check_parameters(self)


@dataclass(frozen=True)
class Recipe:
    """A segmentation, described in enough detail to repeat it.

    The same recipe on the same data gives the same labels, byte for byte, for the same device
    kind, processor instruction set, torch version and platform; elsewhere the last bits of the
    masks may differ, which :meth:`differences_here` tells.

    Attributes
    ----------
    model : str
        Name of the model.
    weights_sha256 : str
        Hash of its weights.
    params : AutomaticParams or other GeneratorParams
        Parameters of the generator, with every threshold filled in. They are a tagged union: in
        JSON, ``params.strategy`` names the generator and so their type.
    labels : LabelParams
        Rules by which masks became labels.
    faithful : bool
        True for the published code's set of masks.
    axes : str
        Axes of the data, empty if they were guessed from it.
    channels : tuple of int
        Channels that were segmented.
    normalise : str, tuple or Display
        "plane" or "stack" (percentiles over one or all planes), or (low, high) for each channel; a
        display has these, and gamma and colours.
    planes : tuple
        (axis, first, end) for axes of which only a part was segmented; the axis is empty for the
        last one that counts planes, before it is known.
    precision, device_kind : str
        Resolved precision and kind of device.
    torch_version, instruction_set, processor, platform : str
        The rest of what the last bits depend on. The number of threads is not among them.
    product : str
        Kind of the result: "labels", "edges" or "proposals".
    link : LinkParams or None
        Rules by which the objects of planes became objects of a volume; None for planes by
        themselves, of which the JSON says nothing.
    tracks : TrackParams or None
        Rules by which the objects of frames became tracks; None for frames by themselves, of which
        the JSON says nothing. With ``link``, objects of volumes became tracks.
    tiles : TileParams or None
        Tiles in which large planes were searched; None for planes as a whole, of which the JSON
        says nothing.
    classes : ClassSet or None
        Classes into which the objects of planes were sorted, with the labelled objects that taught
        them; None for objects without classes, of which the JSON says nothing.
    """

    model: str
    weights_sha256: str
    params: GeneratorParams = field(default_factory=AutomaticParams)
    labels: LabelParams = field(default_factory=LabelParams)
    faithful: bool = False
    axes: str = ""
    channels: tuple[int, ...] = (0,)
    normalise: Normalise = "plane"
    planes: tuple[Range, ...] = ()
    precision: str = "exact"
    device_kind: str = "cpu"
    torch_version: str = ""
    instruction_set: str = ""
    processor: str = ""
    platform: str = ""
    product: str = "labels"
    link: LinkParams | None = None
    tracks: TrackParams | None = None
    tiles: TileParams | None = None
    classes: ClassSet | None = None

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.type is str and not isinstance(value, str):
                raise InputError(f"{entry.name} must be text, got {value!r}.")
        if self.product not in PRODUCTS:
            raise InputError(f"product must be of {', '.join(PRODUCTS)}, got {self.product!r}.")
        if self.link is not None and not isinstance(self.link, LinkParams):
            raise InputError(f"link must be LinkParams or None, got {self.link!r}.")
        if self.tracks is not None and not isinstance(self.tracks, TrackParams):
            raise InputError(f"tracks must be TrackParams or None, got {self.tracks!r}.")
        if self.tiles is not None and not isinstance(self.tiles, TileParams):
            raise InputError(f"tiles must be TileParams or None, got {self.tiles!r}.")
        if self.classes is not None and (self.link is not None or self.tracks is not None):
            raise InputError(
                "Classes are those of objects of planes; leave them out to link planes or frames."
            )
        if not isinstance(self.faithful, bool):
            raise InputError(f"faithful must be true or false, got {self.faithful!r}.")
        if not all(isinstance(c, Integral) and not isinstance(c, bool) for c in self.channels):
            raise InputError(f"channels must be whole numbers, got {self.channels!r}.")
        object.__setattr__(self, "channels", tuple(int(c) for c in self.channels))
        object.__setattr__(self, "normalise", check_normalise(self.normalise))
        object.__setattr__(self, "planes", _check_planes(self.planes))

    def to_json(self) -> str:
        """Return the recipe as indented JSON, with a final newline."""
        values = {"format": FORMAT, **asdict(self)}
        # Recipes are what they were before volumes could be linked, or made from maps.
        if self.link is None:
            del values["link"]
        else:
            values["link"] = self.link.to_dict()
        for name in ("tracks", "tiles", "classes"):
            if getattr(self, name) is None:
                del values[name]
        if self.tiles is not None:
            in_finder = isinstance(self.params, FinderParams)
            if self.tiles.tile_scales == _earlier_scales(values["tiles"], in_finder):
                del values["tiles"]["tile_scales"]
        if self.tiles is None and values["params"].get("views", 1) is None:
            # Recipes of whole planes are what they were before tiles were seen twice, and so are
            # the keys by which batches know results.
            del values["params"]["views"]
        if values["params"].get("fill_frame") is False:
            del values["params"]["fill_frame"]
        return json.dumps(values, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Recipe":
        """Read a recipe; the entry of its file about the results beside it is left out.

        Raises
        ------
        InputError
            If the text is no recipe, or one of a newer version.
        """
        try:
            values = from_json(dict[str, Any], text, "The recipe")
            version = values.pop("format")
        except (InputError, KeyError) as error:
            raise InputError("This is no recipe: it is not JSON with a 'format' entry.") from error
        if version != FORMAT:
            raise InputError(
                f"The recipe has format {version}; this version reads format {FORMAT}."
            )
        # The entry about the results beside the recipe is no part of it.
        values.pop(RESULT, None)
        kind = _params_type(values.get("params"))
        for what, known, given in (
            ("The recipe has unknown entries", cls, values),
            ("Unknown automatic parameters", kind, values.get("params")),
        ):
            names = set(given) if isinstance(given, dict) else set()
            if unknown := names - {f.name for f in fields(known)}:
                raise InputError(f"{what}: {', '.join(sorted(unknown))}.")
        if isinstance(tiles := values.get("tiles"), dict):
            tiles.setdefault("tile_scales", _earlier_scales(tiles, kind is FinderParams))
        if kind is FinderParams and isinstance(values.get("params"), dict):
            _complete_earlier(values["params"], bool(values.get("tiles")))
        # Read apart from the rest, because their type depends on the tag.
        params = {name: values.pop(name) for name in ("params",) if name in values}
        known_params = from_json(
            dict[str, kind],  # type: ignore[valid-type]
            json.dumps(params),
            "The recipe",
        )
        limits = values.get("normalise")
        if isinstance(limits, list) and all(isinstance(each, (int, float)) for each in limits):
            values["normalise"] = [limits]
        return replace(from_json(cls, json.dumps(values), "The recipe"), **known_params)

    @property
    def limits(self) -> Limits | None:
        """The intensities that become black and white; None for each plane's own."""
        return None if isinstance(self.normalise, str) else self.normalise

    def point_params(self) -> AutomaticParams:
        """Return the parameters, which must be those of a point generator.

        Raises
        ------
        InputError
            If the recipe names another generator.
        """
        if not isinstance(self.params, AutomaticParams):
            raise InputError(
                f"The recipe's generator is {self.params.strategy!r}; only recipes of the point "
                "generators (grid, adaptive) can be used here."
            )
        return self.params

    def check_product(self, product: str) -> None:
        """Raise InputError if the recipe is about something else than ``product``."""
        if self.product != product:
            article = "an" if self.product[:1] in "aeiou" else "a"
            raise InputError(
                f"This is {article} {self.product} recipe, and {product} are asked for. Give a "
                f"{product} recipe, such as the one beside {product} that were made before."
            )

    def check_weights(self, model: str, sha256: str) -> None:
        """Raise InputError if a model, by its name and hash, has not the recipe's weights."""
        if self.weights_sha256 != sha256:
            raise InputError(
                f"The recipe was made with the weights of {self.model} (sha256 "
                f"{self.weights_sha256[:12]}...), and {model} has others (sha256 "
                f"{sha256[:12]}...); use the same weights."
            )

    def differences_here(self, device_kind: str = "") -> list[str]:
        """Return the differences between this machine and the recipe's, as plain sentences.

        Parameters
        ----------
        device_kind : str, optional
            The kind of device that is used here, if it is to be compared, too.
        """
        here = machine() | ({"device_kind": device_kind} if device_kind else {})
        return [
            f"{name.removesuffix('_kind').replace('_', ' ')} is {here[name]} here and "
            f"{getattr(self, name)} in the recipe"
            for name in here
            if getattr(self, name) and getattr(self, name) != here[name]
        ]


def _complete_earlier(params: dict[str, Any], in_tiles: bool) -> None:
    """Add to a finder's parameters what earlier versions did and did not write down."""
    if in_tiles:
        params.setdefault("views", 1)
    seen = params.get("views")
    twice = seen == 2 or (in_tiles and seen is None)
    params.setdefault("outlines", "between" if twice else "better")


def _earlier_scales(tiles: dict[str, Any], in_finder: bool) -> int | None:
    """Return the scales of tiles that recipes do not name, as earlier versions had one only.

    For strategies that have one still, those that are not settled say as little as before, so that
    batches know their results.
    """
    numbers = (tiles.get(name) for name in ("object_size", "tile_side", "tile_overlap"))
    return 1 if in_finder or None not in numbers else None


def _params_type(params: Any) -> type[GeneratorParams]:
    """Return the type of a recipe's parameters, found by their tag."""
    tag = params.get(TAG, DEFAULT_TAG) if isinstance(params, dict) else DEFAULT_TAG
    # A tag that is no text is refused with the rest of the parameters.
    return find_entry(tag if isinstance(tag, str) else DEFAULT_TAG).params


def _check_planes(value: Any) -> tuple[Range, ...]:
    try:
        return tuple((str(axis), int(first), int(end)) for axis, first, end in value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"planes must be (axis, first, end) for each axis, got {value!r}."
        ) from error


_MATRIX_UNITS = ("avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16", "amx_int8")
"""Features by which matrix libraries choose their kernels beside the instruction set."""


def _processor() -> str:
    """Return maker and matrix units of the processor, which torch knows from 2.12 on."""
    import torch

    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    # One library uses other kernels on other makers' processors of the same instruction set.
    maker = re.split(r"[\s(]", str(known.get("cpu_name", "")).strip())[0]
    return " ".join([maker, *(name for name in _MATRIX_UNITS if known.get(name))]).strip()


def machine() -> dict[str, str]:
    """Return the properties of this machine that the last bits of a result depend on."""
    import torch

    return {
        "torch_version": torch.__version__,
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "processor": _processor(),
        "platform": f"{platform.system()}-{platform.machine()}",
    }
