"""Bounds on masks that the parameters of all generators share, so that filters work alike."""

from dataclasses import replace
from typing import Any, Self

from napari_segany.core.overlap import Nms
from napari_segany.core.parameter_info import flag, integer, number
from napari_segany.generators.protocol import GeneratorParams

MOST_PIXELS = 2**40
"""Largest bound on an area."""

STABILITY_OFFSET = number(
    "Stability offset",
    "Distance from zero of the two thresholds of logits whose masks stability compares.",
    (0, 100),
    "logits",
    advanced=True,
)
"""Description of the stability offset, the same for every generator."""

HOLES_AND_SPECKS = integer(
    "Holes and specks",
    "Fill holes and drop specks of masks below this many pixels.",
    (0, MOST_PIXELS),
    "pixels",
    advanced=True,
)
"""Description of the clean-up of masks, the same for every generator."""

LARGEST_MASK = number(
    "Largest mask",
    "Leave out masks that cover more than this fraction of the plane, before overlap is measured.",
    (0, 1),
    "fraction",
    advanced=True,
)
"""Description of the largest mask, the same for every generator."""

SOLIDITY = number(
    "Solidity",
    "Leave out masks that fill less than this fraction of their convex hull.",
    (0, 1),
    "fraction",
    advanced=True,
)
"""Description of the solidity, the same for every generator."""

EXCLUDE_BORDER = flag(
    "Exclude border", "Leave out masks that touch the border of the plane.", advanced=True
)
"""Description of the exclusion of masks at the border, the same for every generator."""


class FilterRules(GeneratorParams):
    """Base of parameters with bounds on the masks that are kept.

    Attributes
    ----------
    pred_iou_thresh, stability_score_thresh : float or None
        Scores that masks must exceed, and reach.
    stability_score_offset : float
        Distance from zero of the two thresholds of logits whose masks stability compares.
    box_nms_thresh : float
        Overlap above which the worse of two masks is dropped.
    nms : {"mask", "box", "smaller"}
        Measure of that overlap.
    min_mask_region_area : int
        Size of holes that are filled and of specks that are dropped, in pixels.
    min_area : int or None
        Least number of pixels.
    max_area_fraction : float
        Largest part of the plane.
    min_solidity : float
        Least part of the convex hull.
    exclude_border : bool
        Whether masks at the border of the plane are dropped.
    """

    pred_iou_thresh: float | None
    stability_score_thresh: float | None
    stability_score_offset: float
    box_nms_thresh: float
    nms: Nms
    min_mask_region_area: int
    min_area: int | None
    max_area_fraction: float
    min_solidity: float
    exclude_border: bool

    @property
    def overlap_between_crops(self) -> float:
        """Overlap above which the worse of two masks from different crops is dropped."""
        return self.box_nms_thresh

    def largest(self, pixels: int) -> int:
        """Return the largest area of a mask, in pixels, on a plane of ``pixels``."""
        return int(self.max_area_fraction * pixels)

    def with_largest(self, area: int, pixels: int) -> Self:
        """Return the parameters with masks of at most ``area`` pixels on a plane of ``pixels``."""
        if area == self.largest(pixels):
            # The fraction says so already; another one with this meaning would change the recipe.
            return self
        # Half a pixel more, so that rounding down gives this number again.
        return self.with_rules(max_area_fraction=min((area + 0.5) / max(pixels, 1), 1.0))

    def with_rules(self, **changes: Any) -> Self:
        """Return the parameters with some bounds changed."""
        same: Any = self
        changed: Self = replace(same, **changes)
        return changed

    @property
    def pred_iou_floor(self) -> float:
        """Predicted IoU that masks must exceed; minus infinity for a threshold of 0 or None."""
        return self.pred_iou_thresh if self.pred_iou_thresh else float("-inf")

    @property
    def stability_floor(self) -> float:
        """Stability that masks must reach; minus infinity for a threshold of 0 or None."""
        return self.stability_score_thresh if self.stability_score_thresh else float("-inf")
