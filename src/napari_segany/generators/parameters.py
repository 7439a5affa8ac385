"""Parameters of automatic segmentation, frozen and checked."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from napari_segany.core.parameter_info import (
    MODELS_OWN,
    check_parameters,
    choice,
    integer,
    number,
    structure,
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

Strategy = Literal["grid", "adaptive"]
"""Points that are prompted: all points of the grid, or only the promising ones."""

PublishedNms = Literal["mask", "box"]
"""Measures of overlap that the published code has, and their equal for masks."""

PointGrids = tuple[tuple[tuple[float, float], ...], ...]
"""For the plane and for each crop layer, (row, column) points in the unit square."""


@with_parameter_docs
@dataclass(frozen=True)
class AutomaticParams(FilterRules, GeneratorParams):
    """Parameters of automatic segmentation.

    Names and defaults are those of the published code where it has them. The metadata of a
    field holds its label, help, range and unit; the command line, the docks, the page "Parameters"
    of the documentation and the section "Attributes" of this text are made from it. The order of
    the fields is that of the entries of recipes.

    Raises
    ------
    InputError
        If a value is out of range; the message names it.

    Examples
    --------
    >>> AutomaticParams(points_per_side=64, min_area=50).points_per_side
    64
    """

    strategy: Strategy = field(
        default="grid",
        metadata=choice(
            "Strategy",
            "Prompt every point of the grid, or first a quarter of the points and then only "
            "points that resemble, to the image encoder, those that found something small. "
            "Adaptive is about three times faster and loses few objects.",
            {"grid": "grid", "adaptive": "adaptive"},
        ),
    )
    points_per_side: int = field(
        default=32,
        metadata=integer(
            "Points per side",
            "Points along each side of the grid. Fewer are faster, more find smaller objects.",
            (1, 1024),
        ),
    )
    points_per_batch: int = field(
        default=64,
        metadata=integer(
            "Points per batch",
            "Points that are decoded together at most. The fastest number depends on the device; "
            "it may change the last bits of the masks, so recipes hold it.",
            (1, 65536),
            advanced=True,
        ),
    )
    pred_iou_thresh: float | None = field(
        default=None,
        metadata=number(
            "Predicted IoU",
            "Keep masks whose predicted IoU exceeds this; 0 keeps all. The published SAM models "
            "have 0.88.",
            (0, 2),
            advanced=True,
            unset=MODELS_OWN,
        ),
    )
    stability_score_thresh: float | None = field(
        default=None,
        metadata=number(
            "Stability",
            "Keep masks whose stability is at least this; 0 keeps all. The published SAM models "
            "have 0.95.",
            (0, 1),
            "fraction",
            advanced=True,
            unset=MODELS_OWN,
        ),
    )
    stability_score_offset: float = field(
        default=1.0,
        metadata=STABILITY_OFFSET,
    )
    box_nms_thresh: float = field(
        default=0.7,
        metadata=number(
            "Overlap (NMS)",
            "Of masks that overlap by more than this IoU, keep the one with the best predicted "
            "IoU.",
            (0, 1),
            "fraction",
            advanced=True,
        ),
    )
    crop_n_layers: int = field(
        default=0,
        metadata=integer(
            "Crop layers",
            "Layers of crops, for small objects in large images. The first searches again in "
            "2 x 2 crops, the second in 4 x 4, and so on.",
            (0, 6),
            advanced=True,
        ),
    )
    crop_nms_thresh: float = field(
        default=0.7,
        metadata=number(
            "NMS between crops",
            "Of masks from different crops that overlap by more than this IoU, keep the one from "
            "the smaller crop.",
            (0, 1),
            "fraction",
            advanced=True,
        ),
    )
    crop_overlap_ratio: float = field(
        default=512 / 1500,
        metadata=number(
            "Crop overlap",
            "Overlap of the crops of the first layer, as a fraction of the plane's short side.",
            (0, 0.9),
            "fraction",
            advanced=True,
        ),
    )
    crop_n_points_downscale_factor: int = field(
        default=1,
        metadata=integer(
            "Point divisor",
            "Points per side are divided by this factor with every layer of crops.",
            (1, 64),
            advanced=True,
        ),
    )
    point_grids: PointGrids | None = field(
        default=None,
        metadata=structure(
            "Point grids",
            "Points to prompt in place of the regular grid: for the plane and for each layer of "
            "crops, (row, column) pairs in the unit square.",
        ),
    )
    min_mask_region_area: int = field(
        default=0,
        metadata=HOLES_AND_SPECKS,
    )
    nms: PublishedNms = field(
        default="mask",
        metadata=choice(
            "NMS compares",
            "Measure overlap between masks, or between bounding boxes as the published code "
            "does. Touching objects have overlapping boxes.",
            {"mask": "masks", "box": "boxes"},
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
    steering_pred_iou: float | None = field(
        default=None,
        metadata=number(
            "Steering IoU",
            "Predicted IoU that a mask must exceed to steer the adaptive strategy. Recipes hold "
            "the number, so that other thresholds prompt the same points.",
            (0, 2),
            advanced=True,
            unset="as the threshold",
        ),
    )
    steering_stability: float | None = field(
        default=None,
        metadata=number(
            "Steering stability",
            "Stability that a mask must have to steer the adaptive strategy.",
            (0, 1),
            "fraction",
            advanced=True,
            unset="as the threshold",
        ),
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        self._check_grids()

    def _check_grids(self) -> None:
        if self.point_grids is None:
            return
        if self.strategy == "adaptive":
            raise InputError("The adaptive strategy needs the regular grid; leave out point_grids.")
        # Recipes come back from JSON with lists.
        try:
            grids = tuple(tuple((float(r), float(c)) for r, c in grid) for grid in self.point_grids)
        except (TypeError, ValueError) as error:
            raise InputError("point_grids must hold (row, column) pairs for each layer.") from error
        if len(grids) != self.crop_n_layers + 1:
            raise InputError(
                f"point_grids must hold one grid for the plane and one for each of the "
                f"{self.crop_n_layers} crop layers, got {len(grids)}."
            )
        if not all(0 <= v <= 1 for grid in grids for point in grid for v in point):
            raise InputError("point_grids must lie in the unit square, 0..1.")
        object.__setattr__(self, "point_grids", grids)

    def resolved(
        self, pred_iou_thresh: float, stability_score_thresh: float, min_area: int
    ) -> "AutomaticParams":
        """Return the parameters with the model's own defaults in place of None."""
        own: dict[str, Any] = {
            "pred_iou_thresh": pred_iou_thresh,
            "stability_score_thresh": stability_score_thresh,
            "min_area": min_area,
        }
        filled = replace(self, **{name: own[name] for name in own if getattr(self, name) is None})
        steering: dict[str, Any] = {
            "steering_pred_iou": filled.pred_iou_thresh,
            "steering_stability": filled.stability_score_thresh,
        }
        return replace(
            filled, **{name: steering[name] for name in steering if getattr(self, name) is None}
        )

    @property
    def overlap_between_crops(self) -> float:
        """IoU above which the mask from the larger crop is dropped."""
        return self.crop_nms_thresh

    def as_reference(self) -> "AutomaticParams":
        """Return the parameters with only the filters that the published code has."""
        return replace(
            self,
            strategy="grid",
            nms="box",
            min_area=0,
            max_area_fraction=1.0,
            min_solidity=0.0,
            exclude_border=False,
        )


def check_faithful(params: GeneratorParams) -> AutomaticParams:
    """Return the parameters if their generator can be faithful to the published code.

    Raises
    ------
    InputError
        If they are those of another than a point generator.
    """
    if not isinstance(params, AutomaticParams):
        raise InputError(
            "Only the point generators can be faithful to the published code, "
            f"not {params.strategy}."
        )
    return params
