"""Parameters of the finder, frozen and checked."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_segany.core.overlap import Nms
from napari_segany.core.parameter_info import (
    check_parameters,
    choice,
    finder_hash,
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
    from napari_segany.models.finder import FinderModel
    from napari_segany.models.protocol import PromptableModel

FINDERS_OWN = "the finder's own"
"""Meaning of None for what the finder's weights bring along."""

TILE_VIEWS = 2
"""Times that a tile is shown to the model if nothing else is asked for."""

GridScores = Literal["estimate", "model"]
"""Scores of masks at points of the coarse grid: the finder's estimate, the model's own."""

Outlines = Literal["between", "better"]
"""Ends of regions: between two bounds of the foreground, or at the better one of both."""

MaskSource = Literal["region", "best", "model"]
"""Masks that objects get: the finder's region, the better of both, the model's answer."""


@with_parameter_docs
@dataclass(frozen=True)
class FinderParams(FilterRules, GeneratorParams):
    """Parameters of the finder: objects found in one pass, drawn by it or by the model.

    The metadata of a field holds its label, help, range and unit, as for
    :class:`AutomaticParams`. The order of the fields is that of the entries of recipes.

    Raises
    ------
    InputError
        If a value is out of range; the message names it.
    """

    strategy: Literal["finder"] = field(
        default="finder",
        metadata=choice(
            "Strategy",
            "Find all objects of a plane at once.",
            {"finder": "finder"},
        ),
    )
    finder: str | None = field(
        default=None,
        metadata=finder_hash(
            "Finder",
            "Finder whose weights belong to the model's image encoder, by its hash; on the command "
            "line also by its file or name.",
            unset="the one that fits the model",
        ),
    )
    mask_source: MaskSource = field(
        default="region",
        metadata=choice(
            "Masks",
            "Draw each object as the finder's region, by the model asked with its box and points, "
            "or as the one of both that has the better predicted IoU. The model takes twice the "
            "time, and draws objects of few kinds better.",
            {"region": "finder's", "best": "the better", "model": "model's"},
        ),
    )
    grid_points_per_side: int = field(
        default=0,
        metadata=integer(
            "Points elsewhere",
            "Points along each side of a coarse grid that is prompted where the finder sees "
            "nothing; 0 for none.",
            (0, 128),
        ),
    )
    grid_scores: GridScores = field(
        default="estimate",
        metadata=choice(
            "Scores elsewhere",
            "Judge masks at these points by the finder's estimate, which expects little of what "
            "looks unlike cells, or as the published grid does: all points are prompted, and masks "
            "of a predicted IoU above 0.88 and a stability of 0.95 come before all others "
            "(photographs).",
            {"estimate": "finder's", "model": "model's"},
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
    points_per_batch: int = field(
        default=64,
        metadata=integer(
            "Points per batch",
            "Points of the coarse grid that are decoded together at most. It may change the last "
            "bits of the masks, so recipes hold it.",
            (1, 65536),
            advanced=True,
        ),
    )
    pred_iou_thresh: float | None = field(
        default=None,
        metadata=number(
            "Predicted IoU",
            "Keep masks whose predicted IoU exceeds this; 0 keeps all. It is estimated from the "
            "finder's maps and the model's scores.",
            (0, 2),
            unset=FINDERS_OWN,
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
    stability_score_offset: float = field(
        default=1.0,
        metadata=STABILITY_OFFSET,
    )
    box_nms_thresh: float = field(
        default=0.3,
        metadata=number(
            "Overlap (NMS)",
            "Of masks that overlap by more than this, keep the one with the best predicted IoU.",
            (0, 1),
            "fraction",
            advanced=True,
        ),
    )
    crop_n_layers: int | None = field(
        default=None,
        metadata=integer(
            "Crop layers",
            "Layers of crops: 1 searches in 2 x 2 overlapping crops, 2 in 4 x 4, and so on. "
            "Without a number, crops are used where the finder sees very small objects.",
            (0, 6),
            advanced=True,
            unset="by the size of objects",
        ),
    )
    crop_overlap_ratio: float = field(
        default=0.12,
        metadata=number(
            "Crop overlap",
            "Overlap of the crops of the first layer, as a fraction of the plane's short side.",
            (0, 0.9),
            "fraction",
            advanced=True,
        ),
    )
    min_mask_region_area: int = field(
        default=0,
        metadata=HOLES_AND_SPECKS,
    )
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
        default=None,
        metadata=integer(
            "Smallest mask",
            "Leave out masks with fewer pixels, before masks become labels.",
            (0, MOST_PIXELS),
            "pixels",
            advanced=True,
            unset=FINDERS_OWN,
        ),
    )
    max_area_fraction: float = field(
        default=0.95,
        metadata=LARGEST_MASK,
    )
    min_solidity: float = field(
        default=0.0,
        metadata=SOLIDITY,
    )
    exclude_border: bool = field(
        default=False,
        metadata=EXCLUDE_BORDER,
    )
    finder_everywhere: bool = field(
        default=False,
        metadata=flag(
            "Own finder always",
            "Use a finder that was trained on labels of your own also for planes that are unlike "
            "these. Without, the finder that it was trained from searches such planes.",
            advanced=True,
        ),
    )

    views: int | None = field(
        default=None,
        metadata=integer(
            "Views",
            "Show a plane or tile to the model as it is, turned by 180 degrees as well, and as its "
            "mirror images. The mean counts, so that objects depend less on where in the frame "
            "they lie. It takes about as many times as long.",
            (1, 4),
            advanced=True,
            unset="2 in tiles, 1 on whole planes",
        ),
    )
    outlines: Outlines = field(
        default="between",
        metadata=choice(
            "Outlines",
            "End the finder's masks between two bounds of the foreground, the nearer to one the "
            "better they are expected to be there, or at the better bound, as earlier versions did "
            "in one view.",
            {"between": "between two bounds", "better": "at the better bound"},
            advanced=True,
        ),
    )

    fill_frame: bool = field(
        default=False,
        metadata=flag(
            "Small planes as they are",
            "Show planes that are much smaller than the model's frame enlarged to it alone. "
            "Without, they are also shown at a smaller scale, continued by their mirror images, "
            "and volumes from maps rest on that scale alone. For a finder that learned planes of "
            "this size.",
            advanced=True,
        ),
    )

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    def views_in_tiles(self) -> int:
        """Times that a tile is shown to the model."""
        return TILE_VIEWS if self.views is None else self.views

    def resolved_for(self, model: "PromptableModel") -> "FinderParams":
        """Return the parameters with the finder that fits a model, and its thresholds for None.

        Raises
        ------
        InputError
            If no installed finder fits the model, or the one that is named is not here.
        """
        finder = require_finder(model, self.finder)
        if finder.card.base is not None and not self.finder_everywhere:
            # Found here, before any plane is searched.
            require_finder(model, finder.card.base)
        own = {
            "finder": finder.sha256,
            "pred_iou_thresh": finder.card.pred_iou_thresh,
            "min_area": finder.card.min_area,
        }
        missing: dict[str, Any] = {n: own[n] for n in own if getattr(self, n) is None}
        return replace(self, **missing)


def require_finder(model: "PromptableModel", sha256: str | None) -> "FinderModel":
    """Return the installed finder that fits a model, of this hash if one is given.

    Raises
    ------
    InputError
        If there is none; the message says what to do.
    """
    # Recipes are read without torch.
    from napari_segany.models.finder import find_finder

    finder = find_finder(model, sha256)
    if finder is None:
        raise InputError(_no_finder(model, sha256))
    return finder


def _no_finder(model: "PromptableModel", wanted: str | None) -> str:
    """Return the sentences about a finder that is not here."""
    from napari_segany.models.finder import find_finder

    fits = find_finder(model)
    if wanted is not None and fits is not None:
        return (
            f"The finder {wanted[:12]}... is needed, and the one here that fits {model.id} is "
            f"{fits.sha256[:12]}... ({fits.card.title}). Bring the file of the other here: "
            "napari-segany models import-finder FILE"
        )
    return (
        f"No finder on this machine fits the image encoder of {model.id}"
        f"{f', and {wanted[:12]}... is needed' if wanted else ''}. Import the finder's file with: "
        "napari-segany models import-finder FILE. Or use the strategy 'grid' or 'adaptive'."
    )
