"""Masks of the searched planes of one image, with filters, review decisions and labels."""

from copy import copy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.rasterize import paint, paint_sources
from napari_segany.errors import InputError
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.uncertainty import Evidence, evidence
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.decisions import Decision, named, with_corrected
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.sorted_objects import SortedObjects
from napari_segany.plugin.everything.tile_search import WHOLE, SearchTiles, TileSearch
from napari_segany.recipe import Recipe
from napari_segany.segmentation import make_recipe

SAME_OBJECT = 0.5
"""IoU from which masks of two searches are the same object."""


def match_candidates(masks: MaskSet, found: MaskSet) -> set[int]:
    """Return the best candidate of a search for each mask, if their IoU is large enough."""
    every, matched = found.all_candidates, set()
    both = MaskSet.concatenate([masks, every])
    for i in range(len(masks)):
        near = np.flatnonzero(
            (every.boxes[:, :2] < masks.boxes[i, 2:]).all(axis=1)
            & (every.boxes[:, 2:] > masks.boxes[i, :2]).all(axis=1)
        )
        shared = both.count_shared(np.full(len(near), i), len(masks) + near)
        iou = shared / np.maximum(masks.area[i] + every.area[near] - shared, 1)
        # Of equal masks the one with the same number, which a repeated search finds again.
        order = np.lexsort((near != masks.candidate[i], -iou))
        if len(order) and iou[order[0]] >= SAME_OBJECT:
            matched.add(int(near[order[0]]))
    return matched


@dataclass(frozen=True, eq=False)
class ReviewedObject:
    """An object to look at.

    Attributes
    ----------
    candidate : int
        Its number among the candidates.
    mask : MaskSet
        One mask.
    reasons : tuple of str
        What speaks against it, the strongest first.
    """

    candidate: int
    mask: MaskSet
    reasons: tuple[str, ...]


class FoundMasks:
    """Masks of each searched plane of one image, with the decisions of a review.

    Parameters
    ----------
    source : ImageSource
        Planes of the image.

    Attributes
    ----------
    masks : dict
        All masks that the search found, by plane.
    model : PromptableModel or None
        Model of the search.
    params : FilterRules or None
        Parameters of the search, thresholds filled in.
    filters : Filters
        Bounds on the masks that are kept.
    rejected, accepted : dict
        Rejected and accepted candidates, by plane.
    corrected : dict
        For each plane, the masks that took the place of found ones, by candidate. They pass all
        filters.
    decisions : list of Decision
        Every decision on the present masks, in order.
    sorting : SortedObjects or None
        Classes of the objects, None where they are not sorted.
    regions : dict
        Name of the layer that a search was restricted to, by plane; empty for none.
    tiles : SearchTiles
        The tiles of the search.
    unfinished : dict
        Searches in tiles that were stopped, by plane; the plane has the masks of the tiles that
        are done.
    """

    def __init__(self, source: ImageSource) -> None:
        self.source = source
        self.masks: dict[Plane, MaskSet] = {}
        self.params: FilterRules | None = None
        self.model: PromptableModel | None = None
        self.filters = Filters()
        self.rejected: dict[Plane, set[int]] = {}
        self.accepted: dict[Plane, set[int]] = {}
        self.regions: dict[Plane, str] = {}
        self.tiles = WHOLE
        self.unfinished: dict[Plane, TileSearch] = {}
        self.sorting: SortedObjects | None = None
        self.corrected: dict[Plane, dict[int, MaskSet]] = {}
        self.decisions: list[Decision] = []
        # Filters with which the masks of another search were shown first.
        self._start = Filters()
        # Rejected and accepted masks of an earlier search, by plane.
        self._decided: dict[Plane, tuple[MaskSet, MaskSet]] = {}
        # Found masks of an earlier search with those that took their places, by plane.
        self._replaced: dict[Plane, list[tuple[MaskSet, MaskSet]]] = {}

    def add_plane(
        self,
        plane: Plane,
        masks: MaskSet,
        model: PromptableModel,
        params: FilterRules,
        region: str = "",
        start: Filters | None = None,
        tiles: SearchTiles = WHOLE,
    ) -> None:
        """Add the masks of a searched plane.

        Decisions on earlier masks of the plane are transferred to the masks of the same objects.
        A search with another model or other parameters replaces the masks of all planes; decisions
        in planes that are not searched yet are kept for their search, and so are the filters.

        Parameters
        ----------
        plane : tuple
            Searched plane.
        masks : MaskSet
            Masks found there.
        model : PromptableModel
            Model of the search.
        params : FilterRules
            Parameters of the search.
        region : str, optional
            Name of the layer that the search was restricted to.
        start : Filters, optional
            Filters of another search's masks, unless they are those of the last time.
        tiles : SearchTiles
            The tiles of the search.
        """
        if (model, params, tiles) != (self.model, self.params, self.tiles):
            for each, earlier in self.masks.items():
                self._keep_decided(each, earlier)
            if self.sorting is not None:
                self.sorting.forget_planes(self.masks)
            self.masks.clear()
            self.regions.clear()
            self.rejected.clear()
            self.accepted.clear()
            self.corrected.clear()
            self.decisions.clear()
            self.unfinished.clear()
            if start is not None and start != self._start:
                self.filters = self._start = start
            else:
                self.filters = self.filters.possible_for(masks)
        elif plane in self.masks:
            self._keep_decided(plane, self.masks[plane])
            self.decisions = [each for each in self.decisions if each.plane != plane]
            self.corrected.pop(plane, None)
            if self.sorting is not None:
                self.sorting.forget_planes([plane])
        self.model, self.params, self.tiles = model, params, tiles
        self.unfinished.pop(plane, None)
        self.masks[plane], self.regions[plane] = masks, region
        before = self._decided.pop(plane, ())
        for decided, earlier in zip((self.rejected, self.accepted), before, strict=False):
            decided[plane] = match_candidates(earlier, masks)
        for original, mask in self._replaced.pop(plane, []):
            for candidate in match_candidates(original, masks):
                self.corrected.setdefault(plane, {})[candidate] = named(mask, candidate)

    def _keep_decided(self, plane: Plane, masks: MaskSet) -> None:
        """Keep the accepted and rejected masks until the plane is searched again."""
        both = self.rejected.get(plane, set()), self.accepted.get(plane, set())
        if any(both):
            every = masks.all_candidates
            numbers = [np.array(sorted(each), np.int64) for each in both]
            rejected, accepted = (replace(every[n], candidate=n) for n in numbers)
            self._decided[plane] = rejected, accepted
        if corrected := self.corrected.get(plane):
            every = masks.all_candidates
            pairs = [(named(every[n], n), mask) for n, mask in corrected.items()]
            self._replaced[plane] = pairs

    def snapshot(self) -> "FoundMasks":
        """Return a copy of the present masks, filters and decisions, for other threads."""
        now = copy(self)
        now.masks, now.regions = dict(self.masks), dict(self.regions)
        now.rejected = {plane: set(each) for plane, each in self.rejected.items()}
        now.corrected = {plane: dict(each) for plane, each in self.corrected.items()}
        return now

    def kept_masks(self, plane: Plane) -> MaskSet:
        """Return the masks of a plane that pass the filters and are not rejected.

        Corrected masks are in the places of the found ones, or at the end.
        """
        masks = self.masks.get(plane)
        if masks is None:
            raise InputError("Nothing was searched for in this plane yet.")
        kept = self.filters.select_masks(masks)
        rejected = self.rejected.get(plane)
        if rejected:
            kept = kept[~np.isin(kept.candidate, list(rejected))]
        corrected = self.corrected.get(plane)
        kept = with_corrected(kept, corrected) if corrected else kept
        return kept if self.sorting is None else self.sorting.apply(plane, kept)

    def paint_labels(self, plane: Plane) -> tuple[NDArray[np.int32], MaskSet]:
        """Return the kept masks of a plane as (H, W) labels 1..n, and the mask of each label."""
        kept = self.kept_masks(plane)
        labels, source = paint(kept, **asdict(self.filters.label_params))
        return labels.astype(np.int32), kept[source]

    def paint_candidates(self, plane: Plane) -> tuple[NDArray[np.int32], MaskSet]:
        """Return the same with candidate numbers + 1 as labels, which filters do not change."""
        kept = self.kept_masks(plane)
        labels, source = paint_sources(kept, **asdict(self.filters.label_params))
        names = np.concatenate([[0], kept.candidate + 1]).astype(np.int32)
        return names[labels], kept[source]

    def object_to_review(
        self, plane: Plane, candidate: int | None = None, known: Evidence | None = None
    ) -> tuple[ReviewedObject | None, int]:
        """Return an object of a plane, and how many of its objects are not accepted.

        Parameters
        ----------
        plane : tuple
            Plane.
        candidate : int, optional
            The object; by default the most uncertain one that is not accepted.
        known : Evidence, optional
            Evidence for the objects of the plane, if it is known.

        Returns
        -------
        tuple
            The object, None if there is none; and the number.
        """
        if plane not in self.masks:
            return None, 0
        found = evidence(self.paint_labels(plane)[1]) if known is None else known
        masks = found.masks
        accepted = np.isin(masks.candidate, list(self.accepted.get(plane, ())))
        uncertainty: NDArray[Any] = found.uncertainty
        if self.sorting is not None:
            accepted |= self.sorting.is_labelled(plane, masks)
            uncertainty = self.sorting.doubt(masks, uncertainty)
        order = np.argsort(-uncertainty, kind="stable")
        wanted = ~accepted if candidate is None else masks.candidate == candidate
        first = order[wanted[order]][:1]
        left = int((~accepted).sum())
        if not len(first):
            return None, left
        number, reasons = int(masks.candidate[first[0]]), tuple(found.reasons(int(first[0])))
        if number in self.corrected.get(plane, {}):
            reasons = ("corrected", *reasons)
        return ReviewedObject(number, masks[first], reasons), left

    def count_decided(self, plane: Plane) -> int:
        """Return the number of objects of a plane that are accepted and kept, or rejected."""
        count, accepted = len(self.rejected.get(plane, ())), self.accepted.get(plane)
        if accepted:
            kept = self.kept_masks(plane).candidate
            count += int(np.isin(kept, list(accepted)).sum())
        return count

    def reject(self, plane: Plane, candidate: int) -> None:
        """Remove a candidate from the kept ones."""
        self._decide(plane, candidate, self.rejected)

    def accept(self, plane: Plane, candidate: int) -> None:
        """Mark a candidate as accepted."""
        self._decide(plane, candidate, self.accepted)

    def correct(self, plane: Plane, candidate: int, mask: MaskSet) -> None:
        """Put one mask in the place of a candidate, and mark it as accepted."""
        self.take_back_correction(plane, candidate)
        self._decide(plane, candidate, self.accepted, is_correction=True)
        # It stays what it was found to be.
        original = self.masks[plane].all_candidates[candidate]
        corrected = named(replace(mask, classes=original.classes), candidate)
        self.corrected.setdefault(plane, {})[candidate] = corrected

    def take_back_correction(self, plane: Plane, candidate: int) -> None:
        """Undo the correction of a candidate, whatever was decided since."""
        for number, each in enumerate(self.decisions):
            if each.is_correction and (each.plane, each.candidate) == (plane, candidate):
                del self.decisions[number]
                self._restore(each)
                return

    def _decide(
        self,
        plane: Plane,
        candidate: int,
        into: dict[Plane, set[int]],
        is_correction: bool = False,
    ) -> None:
        both = self.rejected, self.accepted
        before = tuple(candidate in each.get(plane, set()) for each in both)
        decision = Decision(plane, candidate, (before[0], before[1]), is_correction)
        self.decisions.append(decision)
        for each in both:
            each.setdefault(plane, set()).discard(candidate)
        into.setdefault(plane, set()).add(candidate)

    def undo_decision(self) -> Decision | None:
        """Take back the last decision and return it, None if there is none."""
        if not self.decisions:
            return None
        decision = self.decisions.pop()
        self._restore(decision)
        return decision

    def _restore(self, decision: Decision) -> None:
        """Make an object what it was before a decision."""
        plane, candidate = decision.plane, decision.candidate
        if decision.undo is not None:
            decision.undo()
            return
        for each, was in zip((self.rejected, self.accepted), decision.before, strict=True):
            each.setdefault(plane, set()).discard(candidate)
            if was:
                each[plane].add(candidate)
        if decision.is_correction:
            self.corrected.get(plane, {}).pop(candidate, None)

    @property
    def region(self) -> str:
        """Name of the layer that the search was restricted to, empty for none.

        Raises
        ------
        InputError
            If planes were searched in different regions.
        """
        names = {self.regions[plane] for plane in self.masks}
        if len(names) > 1:
            raise InputError("Planes were searched in different regions; search them in one.")
        return next(iter(names), "")

    @property
    def reading(self) -> dict[str, Any]:
        """Channels and intensity limits for recipes."""
        channels = tuple(getattr(self.source, "channels", (0,)))
        return {"channels": channels, "normalise": self.source.limits or "plane"}

    def make_recipe(self) -> Recipe:
        """Return a recipe with which the command line makes the same labels.

        The recipe contains neither the rejected candidates nor the corrected masks.

        Raises
        ------
        InputError
            If no plane was searched.
        """
        if self.model is None or self.params is None:
            raise InputError("Nothing was searched for yet.")
        rows, cols = self.source.shape[-2:]
        return make_recipe(
            self.model,
            self.filters.search_params(self.params, rows * cols),
            self.filters.label_params,
            axes="auto",
            classes=None if self.sorting is None else self.sorting.ready_set,
            tiles=self.tiles.settled,
            **self.reading,
        )
