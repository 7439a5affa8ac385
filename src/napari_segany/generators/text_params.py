"""Parameters of segmentation by text, frozen and checked."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_segany.core.overlap import Nms
from napari_segany.core.parameter_info import (
    check_parameters,
    choice,
    content_hash,
    integer,
    model_name,
    number,
    phrases,
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
    from napari_segany.models.protocol import PromptableModel

TEXT_MODELS_OWN = "text model's own"
"""Meaning of None for the threshold that text models bring along."""


@with_parameter_docs
@dataclass(frozen=True)
class TextParams(FilterRules, GeneratorParams):
    """Parameters of segmentation by text: phrases are found by a text model, and drawn by SAM.

    The metadata of a field holds its label, help, range and unit, as for
    :class:`AutomaticParams`. The order of the fields is that of the entries of recipes.

    Raises
    ------
    InputError
        If a value is out of range; the message names it.
    """

    strategy: Literal["text"] = field(
        default="text",
        metadata=choice(
            "Strategy",
            "Find what phrases name by a text model, and let the model draw each object. Text "
            "models were trained on photographs.",
            {"text": "text"},
        ),
    )
    text: tuple[str, ...] = field(
        default=(),
        metadata=phrases(
            "Phrases", "Names of the objects to find. Each phrase becomes a class of objects."
        ),
    )
    text_model: str | None = field(
        default=None,
        metadata=model_name(
            "Text model",
            "Model that finds phrases in images.",
            unset="the first that is installed",
        ),
    )
    text_model_sha256: str | None = field(
        default=None,
        metadata=content_hash(
            "Text model's hash",
            "Hash of the text model's files.",
            unset="that of the installed model",
        ),
    )
    text_threshold: float | None = field(
        default=None,
        metadata=number(
            "Text threshold",
            "Keep objects whose score for their phrase exceeds this; 0 keeps all.",
            (0, 1),
            "fraction",
            unset=TEXT_MODELS_OWN,
        ),
    )
    text_nms: float = field(
        default=0.5,
        metadata=number(
            "Overlap of boxes",
            "Of boxes of one phrase that overlap by more than this IoU, keep the one with the best "
            "score.",
            (0, 1),
            "fraction",
            advanced=True,
        ),
    )
    max_objects: int = field(
        default=300,
        metadata=integer(
            "Objects per phrase",
            "Keep at most so many objects of a phrase in a plane, those with the best scores.",
            (1, 10_000),
            advanced=True,
        ),
    )
    contrast: tuple[str, ...] = field(
        default=("background", "texture", "something else"),
        metadata=phrases(
            "Contrast phrases",
            "Phrases that compete with those to find, for text models that rank masks.",
            advanced=True,
        ),
    )
    rank_points_per_side: int = field(
        default=32,
        metadata=integer(
            "Points to rank",
            "Points along each side of the grid whose masks are ranked, for text models that rank "
            "masks.",
            (1, 256),
            advanced=True,
        ),
    )
    pred_iou_thresh: float | None = field(
        default=0.0,
        metadata=number(
            "Predicted IoU",
            "Keep masks whose predicted IoU exceeds this; 0 keeps all.",
            (0, 2),
            advanced=True,
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
        default=0.7,
        metadata=number(
            "Overlap (NMS)",
            "Of masks that overlap by more than this, keep the one with the best score for its "
            "phrase.",
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
        default=0,
        metadata=integer(
            "Smallest mask",
            "Leave out masks with fewer pixels, before masks become labels.",
            (0, MOST_PIXELS),
            "pixels",
            advanced=True,
        ),
    )
    max_area_fraction: float = field(default=1.0, metadata=LARGEST_MASK)
    min_solidity: float = field(default=0.0, metadata=SOLIDITY)
    exclude_border: bool = field(default=False, metadata=EXCLUDE_BORDER)
    mask_source: Literal["text_model", "model"] = field(
        default="text_model",
        metadata=choice(
            "Masks",
            "Take the masks of a text model that draws them (SAM 3); others find boxes, in which "
            "the model draws. Or let the model draw in the boxes of any text model.",
            {"text_model": "the text model's, if it draws", "model": "the model's, in boxes"},
            advanced=True,
        ),
    )

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    def score_floor(self) -> float:
        """Score that objects must exceed; minus infinity for a threshold of 0 or None."""
        return self.text_threshold if self.text_threshold else float("-inf")

    def resolved_for(self, model: "PromptableModel") -> "TextParams":
        """Return the parameters with a text model that is installed, and its threshold for None.

        Raises
        ------
        InputError
            If there is no phrase, or no such text model on this machine; the message says what to
            do.
        """
        del model
        return self.with_text_model()

    def with_text_model(self) -> "TextParams":
        """Return the parameters with a text model that is installed; see :meth:`resolved_for`."""
        # Recipes are read without what follows.
        from napari_segany.models.text_models import require_text_model

        if not self.text:
            raise InputError(
                "Nothing was asked for: give one or more phrases (--text), such as 'bicycle'."
            )
        found = require_text_model(self.text_model, self.text_model_sha256)
        own = {
            "text_model": found.id,
            "text_model_sha256": found.sha256,
            "text_threshold": found.threshold,
        }
        missing: dict[str, Any] = {n: own[n] for n in own if getattr(self, n) is None}
        return replace(self, **missing)
