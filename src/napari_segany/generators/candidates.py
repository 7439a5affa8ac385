"""Candidates of a plane above loose bounds, and the choice among them.

The choice needs no model, so it can be made again with other bounds in milliseconds.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.binary_mask import clean_within
from napari_segany.core.mask_shape import Solidities, touches_border
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps, box_nms, mask_nms
from napari_segany.errors import InputError
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.models.screening import Screen, SparseEstimate

SAME = 1e-9
"""Relative difference below which two bounds count as the same."""


@dataclass(frozen=True, eq=False)
class StoredCandidates(ABC):
    """K candidate masks of one plane above loose bounds, which can be filtered again.

    Attributes
    ----------
    masks : MaskSet
        All that passed ``stored``, in a fixed order.
    estimate : SparseEstimate
        Bounds that were known before the masks were computed.
    params : FilterRules
        With thresholds filled in; the rules of :meth:`select`.
    stored : Screen
        The loosest bounds that can be chosen.
    overlaps : Overlaps
        Overlaps of the masks, remembered from one choice to the next.
    solidities : Solidities
        Solidity of the masks, remembered as well.
    """

    masks: MaskSet
    estimate: SparseEstimate
    params: FilterRules
    stored: Screen
    overlaps: Overlaps
    solidities: Solidities

    @property
    def _pixels(self) -> int:
        return self.masks.shape[0] * self.masks.shape[1]

    @property
    def loosest(self) -> tuple[float, float]:
        """Predicted IoU and stability below which nothing was kept."""
        return max(float(self.stored.pred_iou), 0.0), max(float(self.stored.stability), 0.0)

    def filtered(
        self, max_area: int | None = None, nms_thresh: float | None = None, **given: Any
    ) -> MaskSet:
        """Choose with some parameters changed; None leaves one as it was.

        Raises
        ------
        InputError
            If a bound is looser than what was stored; the message names both.
        """
        given["box_nms_thresh"] = nms_thresh
        changes = {name: value for name, value in given.items() if value is not None}
        params = self.params.with_rules(**changes)
        if max_area is not None:
            params = params.with_largest(max_area, self._pixels)
        check_stored(params, self.stored, self._pixels)
        return replace(self, params=params).select()

    @abstractmethod
    def select(self) -> MaskSet:
        """Return the masks that pass ``params``."""


@dataclass(frozen=True, eq=False)
class Candidates(StoredCandidates):
    """K candidate masks of a plane that was searched as a whole or in crops, crop by crop."""

    @classmethod
    def of(
        cls, masks: MaskSet, estimate: SparseEstimate, params: FilterRules, stored: Screen
    ) -> "Candidates":
        """Return candidates of which no two have been compared yet."""
        overlaps = Overlaps(masks.boxes, masks.area, masks.count_shared)
        return cls(masks, estimate, params, stored, overlaps, Solidities(masks))

    def select(self) -> MaskSet:
        """Return the masks that pass ``params``, best first within a crop, smaller crops first."""
        params, masks = self.params, self.masks
        max_area = params.largest(self._pixels)
        sides = masks.crop_boxes[:, 2:] - masks.crop_boxes[:, :2]
        in_crop = params.max_area_fraction * self._pixels / sides.prod(axis=1)
        passing = (
            (masks.predicted_iou > params.pred_iou_floor)
            & (masks.stability_score >= params.stability_floor)
            & self.estimate.passes(params.stability_floor, in_crop)
            & (masks.area <= max_area)
        )
        if params.exclude_border:
            passing &= ~touches_border(masks.boxes, masks.shape)
        chosen = np.flatnonzero(passing)
        if params.min_solidity > 0:
            chosen = chosen[self.solidities.of(chosen) >= params.min_solidity]
        # Crops were searched one after another, so their candidates lie together.
        borders = 1 + np.flatnonzero((np.diff(masks.crop_boxes[chosen], axis=0) != 0).any(axis=1))
        crops = np.split(chosen, borders)
        kept = [
            crop[self._nms(crop, masks.best_first[crop], params.box_nms_thresh)] for crop in crops
        ]
        chosen = np.concatenate(kept)
        if len(kept) > 1:
            smallest_first = 1 / sides[chosen].prod(axis=1)
            chosen = chosen[self._nms(chosen, smallest_first, params.overlap_between_crops)]
        found = replace(masks[chosen], candidate=chosen.astype(np.int64))
        if params.min_mask_region_area > 0:
            found = clean_regions(found, params)
        # Without thresholds a mask can be empty.
        keep = (found.area >= max(params.min_area or 0, 1)) & (found.area <= max_area)
        return found[keep].with_candidates(self)

    def _nms(
        self, among: NDArray[np.intp], scores: NDArray[np.floating], threshold: float
    ) -> NDArray[np.intp]:
        if self.params.nms != "box":
            smaller = self.params.nms == "smaller"
            return mask_nms(self.overlaps, scores, threshold, among, smaller)
        return box_nms(self.masks.inclusive_boxes[among], scores, threshold)


def check_stored(params: FilterRules, stored: Screen, pixels: int) -> None:
    """Check that candidates were kept for bounds.

    Parameters
    ----------
    params : FilterRules
        The bounds.
    stored : Screen
        Bounds that candidates were kept for.
    pixels : int
        Pixels of the plane.

    Raises
    ------
    InputError
        If a bound is looser; the message names both.
    """
    for name, wanted, kept in (
        ("pred_iou_thresh", params.pred_iou_floor, stored.pred_iou),
        ("stability_score_thresh", params.stability_floor, stored.stability),
    ):
        if wanted < kept and not math.isclose(wanted, kept, rel_tol=SAME):
            raise _too_loose(f"{name} {max(wanted, 0):.6g} is below {kept:.6g}")
    # Fractions of other last digits can mean the same pixels.
    area, most = params.largest(pixels), int(stored.max_area * pixels)
    if area > most:
        raise _too_loose(
            f"max_area_fraction {params.max_area_fraction:.6g} ({area} pixels) is above "
            f"{stored.max_area:.6g}, {most} pixels"
        )


def _too_loose(what: str) -> InputError:
    return InputError(
        f"{what}, the loosest bound that candidates were kept for; find everything again with the "
        "bound you want."
    )


def clean_regions(found: MaskSet, params: FilterRules) -> MaskSet:
    """Fill small holes, drop small specks, and suppress what became a duplicate by that."""
    if not len(found):
        return found
    cleaned, origins, untouched = [], [], []
    for i in range(len(found)):
        before, (a, b, c, d) = found.crop(i), found.boxes[i].tolist()
        after, (top, left) = clean_within(
            before, (a, b, c, d), found.shape, params.min_mask_region_area
        )
        same = after[a - top : c - top, b - left : d - left]
        untouched.append(after.sum() == before.sum() and np.array_equal(before, same))
        cleaned.append(after)
        origins.append((top, left))
    redone = found.with_masks(MaskSet.from_crops(found.shape, cleaned, origins))
    # Masks that needed no repair win over those that did.
    scores = np.asarray(untouched, np.float32)
    return redone.nms(max(params.box_nms_thresh, params.overlap_between_crops), params.nms, scores)
