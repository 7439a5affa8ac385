"""The parameters of automatic segmentation, frozen and checked."""

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Literal, get_args

from napari_segany.core.overlap import Nms
from napari_segany.errors import InputError
from napari_segany.generators.protocol import GeneratorParams

Strategy = Literal["grid", "adaptive"]
"""Whether all points of the grid are asked, or those that promise something."""

PointGrids = tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class AutomaticParams(GeneratorParams):
    """How to find everything. Names and defaults are the reference generator's where it has them.

    Attributes
    ----------
    strategy : {"grid", "adaptive"}
        Ask at all points of the grid, or first at a quarter of them and then only at those that
        look, to the image encoder, like points that found something small. Adaptive is about three
        times faster and loses few objects, mostly duplicates of the kind "part of".
    points_per_side : int
        The grid has this many points along each side, 32 by default.
    points_per_batch : int
        At most so many points are decoded together: fewer if that is faster on the device. Part
        of the result's last bits, so part of a recipe.
    pred_iou_thresh : float or None
        Keep masks whose predicted IoU exceeds this; 0 keeps all. None takes the model's own
        default, 0.88 for the published SAM models.
    stability_score_thresh : float or None
        Keep masks at least this stable, 0..1; None takes the model's own default (0.95).
    stability_score_offset : float
        Distance in logits of the two thresholds that stability compares.
    box_nms_thresh : float
        Of masks that overlap more than this (IoU) the best predicted one is kept.
    crop_n_layers : int
        Layers of crops; layer i asks again in 2**i x 2**i crops, for small objects.
    crop_nms_thresh : float
        The same as ``box_nms_thresh`` between crops, where the smaller crop wins.
    crop_overlap_ratio : float
        Overlap of the first layer's crops as a fraction of the plane's short side.
    crop_n_points_downscale_factor : int
        Points a side are divided by this factor with every layer.
    point_grids : tuple or None
        One tuple a crop layer of (row, column) points in the unit square, in place of the
        regular grid.
    min_mask_region_area : int
        Fill holes and drop specks of masks below this many pixels.
    nms : {"mask", "box"}
        Whether overlap is measured between masks or between their bounding boxes. Touching
        objects have overlapping boxes, so "mask" is the default; the reference uses "box".
    min_area : int or None
        Leave out masks with fewer pixels; None takes the model's own default.
    max_area_fraction : float
        Leave out masks that cover more than this fraction of the plane. The authors of SAM
        dropped those from 0.95 on. They are left out before overlap is looked at.
    min_solidity : float
        Leave out masks that fill less than this fraction of their convex hull, 0..1.
    exclude_border : bool
        Leave out masks that touch the border of the plane.
    steering_pred_iou : float or None
        Predicted IoU that a mask must exceed to steer adaptive asking; None takes
        ``pred_iou_thresh``. A recipe holds the number, so that other thresholds ask at the same
        points.
    steering_stability : float or None
        Stability that a mask must have to steer adaptive asking; None takes
        ``stability_score_thresh``.

    Raises
    ------
    InputError
        If a value is out of range; the message names it.
    """

    strategy: Strategy = "grid"
    points_per_side: int = 32
    points_per_batch: int = 64
    pred_iou_thresh: float | None = None
    stability_score_thresh: float | None = None
    stability_score_offset: float = 1.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    point_grids: PointGrids | None = None
    min_mask_region_area: int = 0
    nms: Nms = "mask"
    min_area: int | None = None
    max_area_fraction: float = 0.95
    min_solidity: float = 0.0
    exclude_border: bool = False
    steering_pred_iou: float | None = None
    steering_stability: float | None = None

    def __post_init__(self) -> None:
        for name, (kind, low, high) in RANGES.items():
            value = getattr(self, name)
            if value is None and name in FROM_MODEL:
                continue
            whole = kind == "whole number"
            is_number = isinstance(value, Integral if whole else Real)
            if isinstance(value, bool) or not is_number or not low <= value <= high:
                raise InputError(f"{name} must be a {kind} in {low:g}..{high:g}, got {value!r}.")
            # NumPy's numbers are taken too, but JSON knows only Python's.
            object.__setattr__(self, name, int(value) if whole else float(value))
        if not isinstance(self.exclude_border, bool):
            raise InputError(f"exclude_border must be true or false, got {self.exclude_border!r}.")
        if self.nms not in get_args(Nms):
            raise InputError(f"nms must be 'mask' or 'box', got {self.nms!r}.")
        if self.strategy not in get_args(Strategy):
            raise InputError(f"strategy must be 'grid' or 'adaptive', got {self.strategy!r}.")
        self._check_grids()

    def _check_grids(self) -> None:
        if self.point_grids is None:
            return
        if self.strategy == "adaptive":
            raise InputError("Adaptive asking needs the regular grid; leave out point_grids.")
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
        """Fill what was left to the model's own defaults."""
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

    def as_reference(self) -> "AutomaticParams":
        """The same parameters with only the filters that the reference generator has."""
        return replace(
            self,
            strategy="grid",
            nms="box",
            min_area=0,
            max_area_fraction=1.0,
            min_solidity=0.0,
            exclude_border=False,
        )

    def largest(self, pixels: int) -> int:
        """Most pixels that a mask may have on a plane of ``pixels``."""
        return int(self.max_area_fraction * pixels)

    def with_largest(self, area: int, pixels: int) -> "AutomaticParams":
        """The same with masks of at most ``area`` pixels on a plane of ``pixels``."""
        if area == self.largest(pixels):
            # The fraction means that already, and another one would be another recipe.
            return self
        # Half a pixel more, so that rounding down gives this number again.
        return replace(self, max_area_fraction=min((area + 0.5) / max(pixels, 1), 1.0))

    @property
    def pred_iou_floor(self) -> float:
        """The bound that predicted IoU must exceed; a threshold of 0 switches it off."""
        return self.pred_iou_thresh if self.pred_iou_thresh else float("-inf")

    @property
    def stability_floor(self) -> float:
        """The bound that stability must reach."""
        return self.stability_score_thresh if self.stability_score_thresh else float("-inf")


FROM_MODEL = (
    "pred_iou_thresh",
    "stability_score_thresh",
    "min_area",
    "steering_pred_iou",
    "steering_stability",
)
"""Parameters that None leaves to the model's own defaults."""

RANGES: dict[str, tuple[str, float, float]] = {
    "points_per_side": ("whole number", 1, 1024),
    "points_per_batch": ("whole number", 1, 65536),
    "pred_iou_thresh": ("number", 0, 2),
    "stability_score_thresh": ("number", 0, 1),
    "stability_score_offset": ("number", 0, 100),
    "box_nms_thresh": ("number", 0, 1),
    "crop_n_layers": ("whole number", 0, 6),
    "crop_nms_thresh": ("number", 0, 1),
    "crop_overlap_ratio": ("number", 0, 0.9),
    "crop_n_points_downscale_factor": ("whole number", 1, 64),
    "min_mask_region_area": ("whole number", 0, 2**40),
    "min_area": ("whole number", 0, 2**40),
    "steering_pred_iou": ("number", 0, 2),
    "steering_stability": ("number", 0, 1),
    "max_area_fraction": ("number", 0, 1),
    "min_solidity": ("number", 0, 1),
}
"""Kind, least and greatest value of every number."""
