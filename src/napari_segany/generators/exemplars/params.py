"""Parameters of the search for objects like examples, frozen and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from napari_segany.core.overlap import Nms
from napari_segany.core.parameter_info import (
    check_parameters,
    choice,
    integer,
    number,
    structure,
    with_parameter_docs,
)
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.example_set import ExampleSet
from napari_segany.generators.filter_rules import (
    EXCLUDE_BORDER,
    HOLES_AND_SPECKS,
    LARGEST_MASK,
    MOST_PIXELS,
    SOLIDITY,
    STABILITY_OFFSET,
    FilterRules,
)
from napari_segany.generators.protocol import GeneratorParams

if TYPE_CHECKING:
    from napari_segany.models.protocol import PromptableModel

RankBy = Literal["quality", "likeness"]
"""Order of masks: by quality times likeness, or by likeness before all."""


@with_parameter_docs
@dataclass(frozen=True)
class ExemplarParams(FilterRules):
    """Parameters of the search for objects like examples.

    The metadata of a field holds its label, help, range and unit, as for
    :class:`AutomaticParams`. The order of the fields is that of the entries of recipes.

    Raises
    ------
    InputError
        If a value is out of range; the message names it.
    """

    strategy: Literal["exemplars"] = field(
        default="exemplars",
        metadata=choice(
            "Strategy",
            "Find objects like examples.",
            {"exemplars": "like examples"},
        ),
    )
    examples: ExampleSet | None = field(
        default=None,
        metadata=structure(
            "Examples",
            "Features of the objects that are examples, and of those that are not wanted. They "
            "belong to one model.",
        ),
    )
    points: int = field(
        default=48,
        metadata=integer(
            "Points",
            "Prompt the model at so many points that resemble the examples, where nothing else "
            "proposes an object; 0 for none.",
            (0, 1024),
            "points",
            advanced=True,
        ),
    )
    points_per_batch: int = field(
        default=64,
        metadata=integer(
            "Points per batch",
            "Points that are decoded together at most. It may change the last bits of the masks, "
            "so recipes hold it.",
            (1, 65536),
            advanced=True,
        ),
    )
    rank_by: RankBy = field(
        default="quality",
        metadata=choice(
            "Rank by",
            "Rank masks by quality times likeness, or by likeness before all. The first finds most "
            "where a plane holds one kind of objects. The second finds a kind among many others "
            "that look more like objects, and leaves out more where the kind varies.",
            {"quality": "quality and likeness", "likeness": "likeness"},
        ),
    )
    pred_iou_thresh: float | None = field(
        default=0.45,
        metadata=number(
            "How alike",
            "Keep masks whose predicted IoU with an object like the examples exceeds this; 0 keeps "
            "all. It is estimated from features, colours, size and shape. Ranked by likeness, it "
            "is no IoU.",
            (0, 2),
        ),
    )
    stability_score_thresh: float | None = field(
        default=0.0,
        metadata=number(
            "Stability",
            "Keep masks whose stability is at least this; 0 keeps all.",
            (0, 1),
            "fraction",
            advanced=True,
        ),
    )
    stability_score_offset: float = field(default=1.0, metadata=STABILITY_OFFSET)
    box_nms_thresh: float = field(
        default=0.3,
        metadata=number(
            "Overlap (NMS)",
            "Of masks that overlap by more than this, keep the one that is most like the examples.",
            (0, 1),
            "fraction",
            advanced=True,
        ),
    )
    min_mask_region_area: int = field(default=0, metadata=HOLES_AND_SPECKS)
    nms: Nms = field(
        default="smaller",
        metadata=choice(
            "NMS compares",
            "Measure overlap as the part of the smaller mask that both share, as the IoU of masks, "
            "or as the IoU of bounding boxes.",
            {"smaller": "part of the smaller mask", "mask": "masks", "box": "boxes"},
            advanced=True,
        ),
    )
    min_area: int | None = field(
        default=0,
        metadata=integer(
            "Smallest mask",
            "Leave out masks with fewer pixels, before masks become labels.",
            (0, MOST_PIXELS),
            "pixels",
            advanced=True,
        ),
    )
    max_area_fraction: float = field(default=0.95, metadata=LARGEST_MASK)
    min_solidity: float = field(default=0.0, metadata=SOLIDITY)
    exclude_border: bool = field(default=False, metadata=EXCLUDE_BORDER)

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.examples is not None and not isinstance(self.examples, ExampleSet):
            raise InputError(
                f"examples must be an ExampleSet, got {type(self.examples).__name__}; "
                "napari_segany.make_examples makes one."
            )

    def require_examples(self) -> ExampleSet:
        """Return the examples.

        Raises
        ------
        InputError
            If there are none.
        """
        if self.examples is None:
            raise InputError(
                "No example was given. Draw a box around an object, or select it, and search for "
                "objects like it (--like-box on the command line)."
            )
        return self.examples

    def resolved_for(self, model: "PromptableModel") -> "ExemplarParams":
        """Return the parameters if the examples are the model's.

        Raises
        ------
        InputError
            If there is no example, its features are another model's, or the finder that proposed
            objects is not here.
        """
        from napari_segany.generators.finder_params import require_finder

        examples = self.require_examples()
        examples.check_model(model.id, model.weights.sha256)
        if examples.finder:
            require_finder(model, examples.finder)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, as recipes store it."""
        values = super().to_dict()
        if self.examples is not None:
            values["examples"] = self.examples.to_dict()
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Undo :meth:`to_dict`; unknown names are an error."""
        given = dict(values)
        if isinstance(given.get("examples"), Mapping):
            given["examples"] = ExampleSet.from_dict(given["examples"])
        return super().from_dict(given)


def with_examples(params: GeneratorParams, examples: ExampleSet) -> ExemplarParams:
    """Return parameters of this strategy with other examples.

    Raises
    ------
    InputError
        If the parameters are another strategy's.
    """
    if not isinstance(params, ExemplarParams):
        raise InputError(f"Examples go with the strategy exemplars, not with {params.strategy}.")
    return replace(params, examples=examples)
