"""Filters: bounds on found masks, applied without the model."""

from dataclasses import asdict, dataclass

from napari_segany.core.masks import MaskSet
from napari_segany.core.overlap import Overlap
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.recipe import LabelParams


@dataclass(frozen=True)
class Filters:
    """Bounds on the masks that are kept; None stands for the bound of the search.

    Attributes
    ----------
    pred_iou_thresh, stability_score_thresh, box_nms_thresh, min_area, min_solidity, exclude_border
        As in :class:`FilterRules`.
    max_area : int or None
        Largest number of pixels.
    overlap : {"small_on_top", "large_on_top", "best_on_top"}
        Owner of pixels that several masks cover.
    """

    pred_iou_thresh: float | None = None
    stability_score_thresh: float | None = None
    box_nms_thresh: float | None = None
    min_area: int | None = None
    max_area: int | None = None
    min_solidity: float | None = None
    exclude_border: bool | None = None
    overlap: Overlap = "small_on_top"

    def search_params(self, searched: FilterRules, pixels: int) -> FilterRules:
        """Return parameters with which a new search finds the masks that these filters keep.

        Parameters
        ----------
        searched : FilterRules
            Parameters of the search that was filtered.
        pixels : int
            Pixels of a plane.
        """
        given = asdict(self)
        del given["overlap"]
        largest = given.pop("max_area")
        changed = {name: value for name, value in given.items() if value is not None}
        params = searched.with_rules(**changed)
        return params if largest is None else params.with_largest(largest, pixels)

    def select_masks(self, found: MaskSet) -> MaskSet:
        """Return the masks that pass the filters."""
        return found.filter(
            pred_iou_thresh=self.pred_iou_thresh,
            stability_score_thresh=self.stability_score_thresh,
            nms_thresh=self.box_nms_thresh,
            min_area=self.min_area,
            max_area=self.max_area,
            min_solidity=self.min_solidity,
            exclude_border=self.exclude_border,
        )

    @property
    def label_params(self) -> LabelParams:
        """Parameters with which masks are painted into labels."""
        return LabelParams(overlap=self.overlap, min_area=self.min_area or 0)
