"""Parameters of linking, frozen and checked."""

from dataclasses import asdict, dataclass, field, fields
from math import inf
from typing import Any, Literal

from napari_segany.core.parameter_info import (
    check_parameters,
    choice,
    flag,
    integer,
    number,
    with_parameter_docs,
)

LinkAxis = Literal["z"]
"""Axes along which objects are linked."""

LinkSource = Literal["masks", "maps"]
"""Source of the objects of a volume: masks of planes, or maps of all planes."""

LATER = ("link_from", "smoothing", "outline")
"""Parameters that older recipes do not have; recipes leave them out where they are the default."""


@with_parameter_docs
@dataclass(frozen=True)
class LinkParams:
    """Parameters of linking the objects of planes into objects of a volume.

    The metadata of a field holds its label, help, range and unit, as for :class:`AutomaticParams`.
    The order of the fields is that of the entries of recipes.

    Raises
    ------
    InputError
        If a value is out of range; the message names it.
    """

    link: LinkAxis = field(
        default="z",
        metadata=choice(
            "Link along",
            "Axis along which the objects of planes are linked into one object each.",
            {"z": "depth (Z)"},
        ),
    )
    min_overlap: float = field(
        default=0.35,
        metadata=number(
            "Overlap of planes",
            "Least overlap of the parts of an object in neighbouring planes: the geometric mean of "
            "their IoU and of the part of the smaller one that both share.",
            (0, 1),
            "fraction",
        ),
    )
    max_gap: int = field(
        default=1,
        metadata=integer(
            "Largest gap",
            "Planes in a row in which an object may be missing.",
            (0, 8),
        ),
    )
    min_planes: int = field(
        default=1,
        metadata=integer(
            "Fewest planes",
            "Leave out objects that are seen in fewer planes.",
            (1, inf),
        ),
    )
    min_volume: int = field(
        default=0,
        metadata=integer(
            "Smallest volume",
            "Leave out objects with fewer pixels over all planes.",
            (0, inf),
            "pixels",
        ),
    )
    min_mean_score: float = field(
        default=0.0,
        metadata=number(
            "Mean score",
            "Leave out objects whose predicted IoU, averaged over their planes, is below this.",
            (0, 2),
        ),
    )
    fill_gaps: bool = field(
        default=True,
        metadata=flag(
            "Fill gaps",
            "Draw an object in the planes where it is missing, as the shape between those of the "
            "planes around.",
            advanced=True,
        ),
    )
    alternatives: bool = field(
        default=True,
        metadata=flag(
            "Use alternatives",
            "Take a candidate that a plane left out where it fits the neighbouring planes better "
            "than the objects that the plane chose.",
            advanced=True,
        ),
    )
    align: bool = field(
        default=True,
        metadata=flag(
            "Align planes",
            "Compare neighbouring planes after the shift that makes their objects overlap best, if "
            "it helps.",
            advanced=True,
        ),
    )

    link_from: LinkSource = field(
        default="masks",
        metadata=choice(
            "Objects from",
            "Link the masks of planes, or cut the finder's maps of all planes into objects in "
            "three dimensions. Maps suit objects that are about as long along Z as across; "
            "parameters of links and gaps do not apply to them.",
            {"masks": "masks of planes", "maps": "maps of the volume"},
        ),
    )
    smoothing: float = field(
        default=1.5,
        metadata=number(
            "Smoothing of maps",
            "Standard deviation in planes over which maps are averaged. Lower it where steps "
            "between planes are large beside the objects.",
            (0, 8),
            advanced=True,
        ),
    )
    outline: float = field(
        default=0.3,
        metadata=number(
            "Outline in maps",
            "Foreground probability at which objects that are made from maps end. Lower makes them "
            "larger: take 0.2 for cells that fill a tissue up to their walls.",
            (0.05, 0.95),
            advanced=True,
        ),
    )

    def __post_init__(self) -> None:
        check_parameters(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the entries of recipes: all but those that are new and have their default."""
        default = {f.name: f.default for f in fields(self)}
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in LATER or value != default[name]
        }
