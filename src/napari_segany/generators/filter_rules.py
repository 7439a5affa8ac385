"""Bounds on masks that the parameters of all generators share, so that filters work alike."""

from dataclasses import replace
from typing import Any, Self

from napari_segany.core.overlap import Nms
from napari_segany.generators.protocol import GeneratorParams

MOST_PIXELS = 2**40
"""Largest bound on an area."""


class FilterRules(GeneratorParams):
    """Base of parameters with bounds on the masks that are kept.

    Attributes
    ----------
    pred_iou_thresh, stability_score_thresh : float or None
        Scores that masks must exceed, and reach.
    stability_score_offset : float
        Distance from zero of the two thresholds of logits whose masks stability compares.
    box_nms_thresh, crop_nms_thresh : float
        Overlap above which the worse of two masks is dropped, within a crop and between crops.
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
    crop_nms_thresh: float
    nms: Nms
    min_mask_region_area: int
    min_area: int | None
    max_area_fraction: float
    min_solidity: float
    exclude_border: bool

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
