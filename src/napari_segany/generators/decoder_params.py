"""Parameters of micro-sam's decoder, frozen and checked."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_segany.core.overlap import Nms
from napari_segany.core.parameter_info import (
    MODELS_OWN,
    check_parameters,
    choice,
    content_hash,
    flag,
    integer,
    number,
    with_parameter_docs,
)
from napari_segany.errors import InputError
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
    from napari_segany.models.distance_decoder import DistanceDecoder
    from napari_segany.models.protocol import PromptableModel

LARGEST_SIGMA = 100
"""Largest standard deviation of the smoothing, in pixels."""


@with_parameter_docs
@dataclass(frozen=True)
class DecoderParams(FilterRules, GeneratorParams):
    """Parameters of the decoder that micro-sam's checkpoints carry.

    Names and defaults are those of the published code where it has them. The metadata of a field
    holds its label, help, range and unit, as for :class:`AutomaticParams`. The order of the fields
    is that of the entries of recipes.

    Raises
    ------
    InputError
        If a value is out of range; the message names it.
    """

    strategy: Literal["decoder"] = field(
        default="decoder",
        metadata=choice(
            "Strategy",
            "Find objects by the decoder that micro-sam's checkpoints carry.",
            {"decoder": "decoder"},
        ),
    )
    decoder: str | None = field(
        default=None,
        metadata=content_hash(
            "Decoder",
            "Hash of the file that holds the decoder, which belongs to the model.",
            unset="the model's own",
        ),
    )
    mask_source: Literal["region", "model"] = field(
        default="region",
        metadata=choice(
            "Masks",
            "Draw each object as the region that grows around its seed (micro-sam's AIS), or by "
            "the model asked with a point in the seed (micro-sam's APG).",
            {"region": "decoder's", "model": "model's"},
        ),
    )
    center_distance_threshold: float = field(
        default=0.5,
        metadata=number(
            "Distance to centres",
            "Seeds of objects lie where the predicted distance to the centre is below this.",
            (0, 1),
            "fraction",
        ),
    )
    boundary_distance_threshold: float = field(
        default=0.5,
        metadata=number(
            "Distance from borders",
            "Seeds of objects lie where the predicted closeness to the border is below this.",
            (0, 1),
            "fraction",
        ),
    )
    foreground_threshold: float = field(
        default=0.5,
        metadata=number(
            "Foreground",
            "Objects lie where the predicted probability of an object exceeds this.",
            (0, 1),
            "fraction",
        ),
    )
    foreground_smoothing: float = field(
        default=1.0,
        metadata=number(
            "Smoothing of foreground",
            "Standard deviation of the Gaussian that smooths the foreground; 0 for none.",
            (0, LARGEST_SIGMA),
            "pixels",
            advanced=True,
        ),
    )
    distance_smoothing: float = field(
        default=1.6,
        metadata=number(
            "Smoothing of distances",
            "Standard deviation of the Gaussian that smooths both distances; 0 for none.",
            (0, LARGEST_SIGMA),
            "pixels",
            advanced=True,
        ),
    )
    box_refinement: bool = field(
        default=True,
        metadata=flag(
            "Ask again with boxes",
            "Ask the model a second time, with the box of its first mask and with points in the "
            "nearest other seeds as not part of the object.",
            advanced=True,
        ),
    )
    negative_points: int = field(
        default=6,
        metadata=integer(
            "Negative points",
            "Points in the nearest neighbours that are given to the model as not part of an "
            "object.",
            (0, 16),
            "points",
            advanced=True,
        ),
    )
    pred_iou_thresh: float | None = field(
        default=0.0,
        metadata=number(
            "Predicted IoU",
            "Keep masks whose predicted IoU exceeds this; 0 keeps all. That of a region is its "
            "mean probability of an object.",
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
        default=0.9,
        metadata=number(
            "Overlap (NMS)",
            "Of masks that overlap by more than this, keep the one with the best predicted IoU.",
            (0, 1),
            "fraction",
            advanced=True,
        ),
    )
    min_mask_region_area: int = field(default=0, metadata=HOLES_AND_SPECKS)
    nms: Nms = field(
        default="mask",
        metadata=choice(
            "NMS compares",
            "Measure overlap as the IoU of masks, as the part of the smaller mask that both "
            "share, or as the IoU of bounding boxes.",
            {"mask": "masks", "smaller": "part of the smaller mask", "box": "boxes"},
            advanced=True,
        ),
    )
    min_area: int | None = field(
        default=None,
        metadata=integer(
            "Smallest mask",
            "Leave out masks with fewer pixels, before masks become labels.",
            (0, MOST_PIXELS),
            "pixels",
            advanced=True,
            unset=MODELS_OWN,
        ),
    )
    max_area_fraction: float = field(default=1.0, metadata=LARGEST_MASK)
    min_solidity: float = field(default=0.0, metadata=SOLIDITY)
    exclude_border: bool = field(default=False, metadata=EXCLUDE_BORDER)

    def __post_init__(self) -> None:
        check_parameters(self)

    def resolved_for(self, model: "PromptableModel") -> "DecoderParams":
        """Return the parameters with the decoder of a model, and its smallest mask for None.

        Raises
        ------
        InputError
            If the model has no decoder, or another than the one that is named.
        """
        # Recipes are read without torch.
        from napari_segany.models.distance_decoder import decoder_file, describe_missing

        file = decoder_file(model, self.decoder)
        if file is None:
            raise InputError(describe_missing(model, self.decoder))
        own = {
            "decoder": file.sha256,
            "min_area": model.defaults.min_area,
        }
        missing: dict[str, Any] = {n: own[n] for n in own if getattr(self, n) is None}
        return replace(self, **missing)


def require_decoder(model: "PromptableModel", sha256: str | None) -> "DistanceDecoder":
    """Return the decoder of a model, of this hash if one is given.

    Raises
    ------
    InputError
        If there is none; the message says what to do.
    """
    from napari_segany.models.distance_decoder import describe_missing, find_decoder

    decoder = find_decoder(model, sha256)
    if decoder is None:
        raise InputError(describe_missing(model, sha256))
    return decoder


def missing_decoder(model: "PromptableModel") -> str:
    """Return the sentences about the decoder that a model lacks; empty if it has one."""
    from napari_segany.models.distance_decoder import describe_missing, has_decoder

    return "" if has_decoder(model) else describe_missing(model)
