"""Parameters of linking over time, frozen and checked."""

from dataclasses import dataclass, field
from math import inf

from napari_segany.core.parameter_info import (
    check_parameters,
    flag,
    integer,
    number,
    with_parameter_docs,
)
from napari_segany.errors import InputError

WEIGHTS = ("overlap_weight", "distance_weight", "size_weight", "appearance_weight")
"""Parameters that weigh the terms of a link's cost."""


@with_parameter_docs
@dataclass(frozen=True)
class TrackParams:
    """Parameters of linking the objects of a movie's frames into tracks.

    The metadata of a field holds its label, help, range and unit, as for :class:`AutomaticParams`.
    The order of the fields is that of the entries of recipes.

    Raises
    ------
    InputError
        If a value is out of range, or all weights are 0; the message names it.
    """

    max_distance: float | None = field(
        default=None,
        metadata=number(
            "Largest step",
            "Largest distance that an object moves from frame to frame, in the units of the pixel "
            "size, or in pixels without one.",
            (0, inf),
            unset="estimated from the movie",
        ),
    )
    max_gap: int = field(
        default=1,
        metadata=integer(
            "Largest gap", "Frames in a row in which an object may be missing.", (0, 8)
        ),
    )
    divisions: bool = field(
        default=True,
        metadata=flag(
            "Divisions",
            "Make an object that appears the sister of one beside it, if the sizes and places of "
            "both are those of daughters of one object of the frame before.",
        ),
    )
    align: bool = field(
        default=True,
        metadata=flag(
            "Align frames",
            "Compare frames after the shift that most objects share, such as a drift of the stage.",
        ),
    )
    predict_motion: bool = field(
        default=True,
        metadata=flag(
            "Predict motion",
            "Expect an object to repeat a part of its last step: the part that objects of the "
            "movie repeat on the whole.",
            advanced=True,
        ),
    )
    overlap_weight: float = field(
        default=0.5,
        metadata=number(
            "Overlap weight",
            "Weight of the pixels that two objects do not share in the cost of a link.",
            (0, 100),
            advanced=True,
        ),
    )
    distance_weight: float = field(
        default=1.0,
        metadata=number(
            "Distance weight",
            "Weight of the squared distance in the cost of a link.",
            (0, 100),
            advanced=True,
        ),
    )
    size_weight: float = field(
        default=0.5,
        metadata=number(
            "Size weight",
            "Weight of the change of size in the cost of a link.",
            (0, 100),
            advanced=True,
        ),
    )
    appearance_weight: float = field(
        default=0.5,
        metadata=number(
            "Appearance weight",
            "Weight of the change of brightness, and of the model's features where they are given, "
            "in the cost of a link.",
            (0, 100),
            advanced=True,
        ),
    )
    max_cost: float = field(
        default=0.8,
        metadata=number(
            "Worst link",
            "Cost from which on two objects are not linked: 0 for the same place, shape and size, "
            "1 for objects that share nothing, at the largest distance.",
            (0.01, 1),
            advanced=True,
        ),
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.max_distance == 0:
            raise InputError("max_distance must be above 0, got 0.")
        if not any(getattr(self, name) for name in WEIGHTS[:3]):
            raise InputError("One of overlap_weight, distance_weight, size_weight must be above 0.")
