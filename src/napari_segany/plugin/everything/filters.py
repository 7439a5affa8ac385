"""Filters: bounds on found masks, and rules for their labels, applied without the model."""

from dataclasses import dataclass, replace
from typing import Any, Self

from napari_segany.core.masks import MaskSet
from napari_segany.core.overlap import Overlap
from napari_segany.errors import InputError
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.recipe import LabelParams

BOUNDS = (
    *("pred_iou_thresh", "stability_score_thresh", "box_nms_thresh"),
    *("min_area", "min_solidity", "exclude_border"),
)
"""Bounds that have the same name in :class:`FilterRules`."""

PAINTING = ("fill_holes", "drop_specks", "min_visible")
"""Rules for labels that have the same name in :class:`LabelParams` and no control of masks."""


@dataclass(frozen=True)
class Filters:
    """Bounds on the masks that are kept, and rules by which the kept ones become labels.

    Attributes
    ----------
    pred_iou_thresh, stability_score_thresh, box_nms_thresh, min_area, min_solidity, exclude_border
        As in :class:`FilterRules`; None stands for the bound of the search.
    max_area : int or None
        Largest number of pixels; None for that of the search.
    overlap : {"small_on_top", "large_on_top", "best_on_top"}
        Owner of pixels that several masks cover.
    min_object_area : int or None
        Least number of pixels of an object of the labels; None for ``min_area``.
    fill_holes, drop_specks, min_visible
        As in :class:`LabelParams`.
    """

    pred_iou_thresh: float | None = None
    stability_score_thresh: float | None = None
    box_nms_thresh: float | None = None
    min_area: int | None = None
    max_area: int | None = None
    min_solidity: float | None = None
    exclude_border: bool | None = None
    overlap: Overlap = "small_on_top"
    min_object_area: int | None = None
    fill_holes: int = LabelParams.fill_holes
    drop_specks: int = LabelParams.drop_specks
    min_visible: float = LabelParams.min_visible

    @classmethod
    def between(cls, searched: FilterRules, wanted: FilterRules, pixels: int) -> Self | None:
        """Return the bounds by which the masks of one search become those of another.

        Parameters
        ----------
        searched, wanted : FilterRules
            Parameters of both searches, with every threshold filled in.
        pixels : int
            Pixels of a plane.

        Returns
        -------
        Filters or None
            None if the searches differ in more than bounds.
        """
        if type(searched) is not type(wanted):
            return None
        bounds = {name: getattr(wanted, name) for name in BOUNDS}
        largest = wanted.max_area_fraction
        if searched.with_rules(**bounds, max_area_fraction=largest) != wanted:
            return None
        changed = {name: n for name, n in bounds.items() if n != getattr(searched, name)}
        if largest != searched.max_area_fraction:
            changed["max_area"] = wanted.largest(pixels)
        return cls(**changed)

    def with_labels(self, labels: LabelParams) -> Self:
        """Return the same bounds with the rules of a recipe for labels."""
        own = None if labels.min_area == (self.min_area or 0) else labels.min_area
        rules = {name: getattr(labels, name) for name in PAINTING}
        return replace(self, overlap=labels.overlap, min_object_area=own, **rules)

    def search_params(self, searched: FilterRules, pixels: int) -> FilterRules:
        """Return parameters with which a new search finds the masks that these filters keep.

        Parameters
        ----------
        searched : FilterRules
            Parameters of the search that was filtered.
        pixels : int
            Pixels of a plane.
        """
        given = {name: getattr(self, name) for name in BOUNDS}
        changed = {name: value for name, value in given.items() if value is not None}
        params = searched.with_rules(**changed)
        return params if self.max_area is None else params.with_largest(self.max_area, pixels)

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

    def possible_for(self, found: MaskSet) -> Self:
        """Return the filters without the bounds that are looser than a search's own."""
        names = ("pred_iou_thresh", "stability_score_thresh", "max_area")
        looser: dict[str, Any] = {n: None for n in names if not self._fits(found, n)}
        return replace(self, **looser)

    def _fits(self, found: MaskSet, name: str) -> bool:
        """Return True if one bound is not looser than that of a search."""
        bound: dict[str, Any] = {name: getattr(self, name)}
        try:
            type(self)(**bound).select_masks(found)
        except InputError:
            return False
        return True

    @property
    def label_params(self) -> LabelParams:
        """Parameters with which masks are painted into labels."""
        least = self.min_area or 0 if self.min_object_area is None else self.min_object_area
        rules = {name: getattr(self, name) for name in PAINTING}
        return LabelParams(overlap=self.overlap, min_area=least, **rules)
