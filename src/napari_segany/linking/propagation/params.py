"""Parameters of propagation, frozen and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from napari_segany.core.parameter_info import (
    check_parameters,
    choice,
    finder_hash,
    flag,
    integer,
    number,
    with_parameter_docs,
)
from napari_segany.linking.link_params import LinkParams

Method = Literal["prompts", "memory", "regions"]
"""The search on other planes."""

OF_REGIONS = frozenset({"finder", "smoothing", "outline", "min_fit"})
"""Parameters of regions alone."""

UNREAD: Mapping[Method, frozenset[str]] = MappingProxyType(
    {
        "prompts": OF_REGIONS,
        "memory": OF_REGIONS | {"margin", "ask_again", "neighbour_points"},
        # Objects that no region fits are followed by prompts.
        "regions": frozenset({"predict_motion"}),
    }
)
"""Parameters that play no part in a method: a memory is not asked with prompts."""


@with_parameter_docs
@dataclass(frozen=True)
class PropagationParams:
    """Parameters of the propagation of objects through planes.

    The metadata of a field holds its label, help, range and unit, as for
    :class:`napari_segany.AutomaticParams`.

    Raises
    ------
    InputError
        If a value is out of range; the message names it.
    """

    method: Method = field(
        default="prompts",
        metadata=choice(
            "Method",
            "The search on other planes: the model is asked with the mask of the plane before; "
            "or it recalls the object by its memory of prompted planes and of the latest others, "
            "which only SAM 2.1 and SAM 3 have; or a finder looks at all planes, too, and the "
            "region of the volume that fits an object best takes its place.",
            {
                "prompts": "prompts from plane to plane",
                "memory": "memory of a video model",
                "regions": "regions of the volume",
            },
        ),
    )
    finder: str | None = field(
        default=None,
        metadata=finder_hash(
            "Finder",
            "Finder whose maps are cut into regions, by its hash; on the command line also by its "
            "file or name. One that learned some planes of the volume knows its objects best.",
            unset="the one that fits the model",
        ),
    )
    smoothing: float = field(
        default=LinkParams.smoothing,
        metadata=number(
            "Smoothing",
            "Standard deviation, in planes, over which the finder's maps are averaged. Less for "
            "objects on few planes.",
            (0, 8),
        ),
    )
    outline: float | None = field(
        default=None,
        metadata=number(
            "Outline",
            "Foreground probability at which regions end; lower makes them larger. Unless it is "
            "set, each object ends at 0.1, 0.2 or 0.4, where it fits best.",
            (0.05, 0.95),
            advanced=True,
            unset="that fits each object best",
        ),
    )
    min_fit: float = field(
        default=0.5,
        metadata=number(
            "Least fit",
            "IoU with the prompted masks that a region must have. Where none has it, the object "
            "stays as it was followed by prompts.",
            (0, 1),
        ),
    )
    margin: float = field(
        default=0.0,
        metadata=number(
            "Box margin",
            "Part of the object's height and width by which the box on the next plane is larger "
            "on each side than the object on the plane before.",
            (0, 2),
            "fraction",
        ),
    )
    min_score: float = field(
        default=0.5,
        metadata=number(
            "Least score",
            "An object ends where the predicted IoU of its mask is below this.",
            (0, 1),
        ),
    )
    min_overlap: float = field(
        default=0.3,
        metadata=number(
            "Least overlap",
            "An object ends where the IoU of its mask with what is expected, both moved to one "
            "place, is below this: with pixels that match those before, or with a known shape.",
            (0, 1),
        ),
    )
    min_similarity: float = field(
        default=0.55,
        metadata=number(
            "Least similarity",
            "An object ends where its mask looks less like the object than this: 1 as on the "
            "prompted plane, 0 as its surroundings there.",
            (0, 1),
        ),
    )
    max_area_change: float = field(
        default=3.0,
        metadata=number(
            "Largest change of area",
            "An object ends where its area is larger or smaller than on the plane before by more "
            "than this factor.",
            (1, 100),
        ),
    )
    max_growth: float = field(
        default=4.0,
        metadata=number(
            "Largest growth",
            "An object ends where its area is larger than on the prompted plane by more than this "
            "factor. 1.2 where the largest plane of each object is prompted.",
            (1, 10000),
        ),
    )
    max_shift: float = field(
        default=0.5,
        metadata=number(
            "Largest shift",
            "Distance that an object moves from plane to plane at most, in its own diameters, "
            "beside the motion that is predicted.",
            (0, 10),
        ),
    )
    max_reach: float = field(
        default=0.0,
        metadata=number(
            "Largest reach",
            "Distance from the prompted plane at which an object ends, in its diameters on that "
            "plane; 0 for no limit. About 0.7 for round objects in a volume whose step between "
            "planes is known: they are expected to become smaller up to there.",
            (0, 1000),
        ),
    )
    max_gap: int = field(
        default=0,
        metadata=integer(
            "Largest gap",
            "Planes in a row on which an object may be missing before it ends.",
            (0, 100),
        ),
    )
    min_pixels: int = field(
        default=4,
        metadata=integer(
            "Smallest object",
            "An object ends where it covers fewer pixels.",
            (1, 2**31),
            "pixels",
        ),
    )
    doubtful: float = field(
        default=0.75,
        metadata=number(
            "Doubtful below",
            "Confidence below which a plane counts as doubtful.",
            (0, 1),
        ),
    )
    ask_again: float = field(
        default=0.95,
        metadata=number(
            "Ask again below",
            "Confidence below which the model is asked again, with the mask of the plane before, "
            "with pixels that match those before, and with their boxes alone. Lower is faster.",
            (0, 1),
        ),
    )
    max_shared: float = field(
        default=0.75,
        metadata=number(
            "Largest shared part",
            "Pixels of several objects belong to the one whose prompted plane is nearer. An object "
            "ends where it loses more than this part to others. 1 lets objects overlap.",
            (0, 1),
            "fraction",
        ),
    )
    neighbour_points: int = field(
        default=0,
        metadata=integer(
            "Points of neighbours",
            "Points in the nearest other objects that are given to the model as not part of an "
            "object. With any, the result of an object depends on the others.",
            (0, 16),
            "points",
            advanced=True,
        ),
    )
    predict_motion: bool = field(
        default=False,
        metadata=flag(
            "Predict motion",
            "Search for the object where its last motion leads, and by its looks if it is not "
            "there. For movies.",
        ),
    )

    min_presence: float = field(
        default=0.5,
        metadata=number(
            "Least presence",
            "An object ends where the probability that it is there is below this, by score, "
            "similarity and contrast with the surroundings together; with memory, by the model "
            "itself. 0 leaves it out, as does a largest reach without memory.",
            (0, 1),
        ),
    )

    def __post_init__(self) -> None:
        check_parameters(self)
