"""Everything in planes of a picture: found once, then filtered, reviewed and made into labels."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.overlap import Overlap
from napari_segany.core.rasterize import paint, paint_sources
from napari_segany.errors import InputError
from napari_segany.generators.generate import generate_masks
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.uncertainty import uncertainty
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import LabelParams, Recipe
from napari_segany.segmentation import make_recipe

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Filters:
    """What of everything found is kept; None leaves a bound as it was when it was found.

    Attributes
    ----------
    pred_iou_thresh, stability_score_thresh, box_nms_thresh, min_area, min_solidity, exclude_border
        As in :class:`AutomaticParams`.
    max_area : int or None
        Largest number of pixels.
    overlap : {"small_on_top", "large_on_top", "best_on_top"}
        Who owns pixels that several masks claim.
    """

    pred_iou_thresh: float | None = None
    stability_score_thresh: float | None = None
    box_nms_thresh: float | None = None
    min_area: int | None = None
    max_area: int | None = None
    min_solidity: float | None = None
    exclude_border: bool | None = None
    overlap: Overlap = "small_on_top"

    def params(self, found: AutomaticParams, pixels: int) -> AutomaticParams:
        """Parameters with which a new run finds what these filters keep."""
        given = asdict(self)
        del given["overlap"]
        largest = given.pop("max_area")
        changed = {name: value for name, value in given.items() if value is not None}
        params = replace(found, **changed)
        return params if largest is None else params.with_largest(largest, pixels)

    def choose(self, found: MaskSet) -> MaskSet:
        """The masks that pass, without the model."""
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
    def labels(self) -> LabelParams:
        """How masks become labels."""
        return LabelParams(overlap=self.overlap, min_area=self.min_area or 0)


SAME_OBJECT = 0.5
"""IoU from which a mask of another search means the same object."""


def found_again(masks: MaskSet, found: MaskSet) -> set[int]:
    """The candidates of a search that mean the same objects as some masks do, the best of each."""
    every, again = found.all_candidates, set()
    both = MaskSet.concatenate([masks, every])
    for i in range(len(masks)):
        near = np.flatnonzero(
            (every.boxes[:, :2] < masks.boxes[i, 2:]).all(axis=1)
            & (every.boxes[:, 2:] > masks.boxes[i, :2]).all(axis=1)
        )
        shared = np.array([both.shared_pixels(i, len(masks) + int(j)) for j in near], np.int64)
        iou = shared / np.maximum(masks.area[i] + every.area[near] - shared, 1)
        # Of equal masks, that of the same number: a search that is done again finds the same.
        order = np.lexsort((near != masks.candidate[i], -iou))
        if len(order) and iou[order[0]] >= SAME_OBJECT:
            again.add(int(near[order[0]]))
    return again


class FoundMasks:
    """What was found in each plane of one picture, and what a person thinks of it.

    Attributes
    ----------
    source : ImageSource
        The planes.
    found : dict
        All masks of each plane, by plane.
    params : AutomaticParams or None
        With which they were found, thresholds filled in.
    filters : Filters
        What is kept.
    rejected, accepted : dict
        Candidates that a person rejected or accepted, by plane.
    """

    def __init__(self, source: ImageSource) -> None:
        self.source = source
        self.found: dict[Plane, MaskSet] = {}
        self.params: AutomaticParams | None = None
        self.model: PromptableModel | None = None
        self.filters = Filters()
        self.rejected: dict[Plane, set[int]] = {}
        self.accepted: dict[Plane, set[int]] = {}
        # Masks rejected and accepted in an earlier search, by plane.
        self._before: dict[Plane, tuple[MaskSet, MaskSet]] = {}

    def search(
        self,
        model: PromptableModel,
        params: AutomaticParams,
        plane: Plane,
        region: Callable[[], NDArray[np.generic]] | None = None,
        report: Report | None = None,
    ) -> Callable[[ShouldStop], MaskSet]:
        """How to find everything in a plane; another thread may call it."""
        source = self.source

        def find(should_stop: ShouldStop) -> MaskSet:
            found = generate_masks(
                model,
                source.read(plane),
                params,
                limits=source.limits,
                region=None if region is None else region(),
                progress=report,
                should_stop=should_stop,
            )
            # So that the first slider that is moved needs no waiting for it.
            found.filter(min_solidity=1e-9)
            return found

        return find

    def take(
        self, plane: Plane, found: MaskSet, model: PromptableModel, params: AutomaticParams
    ) -> None:
        """Take up what was found.

        Masks that a person accepted or rejected before stay so, if they were found again. A search
        with another model or other parameters takes the place of all earlier ones; what was decided
        in planes that it does not search waits for theirs.
        """
        if (model, params) != (self.model, self.params):
            for each, masks in self.found.items():
                self._keep_decided(each, masks)
            self.found.clear()
            self.rejected.clear()
            self.accepted.clear()
            self.filters = Filters()
        elif plane in self.found:
            self._keep_decided(plane, self.found[plane])
        self.model, self.params = model, params
        self.found[plane] = found
        before = self._before.pop(plane, None)
        for decided, masks in zip((self.rejected, self.accepted), before or (), strict=False):
            decided[plane] = found_again(masks, found)

    def _keep_decided(self, plane: Plane, found: MaskSet) -> None:
        """Note the masks that were decided on, until the plane is searched again."""
        both = self.rejected.get(plane, set()), self.accepted.get(plane, set())
        if any(both):
            every = found.all_candidates
            numbers = [np.array(sorted(each), np.int64) for each in both]
            rejected, accepted = (replace(every[n], candidate=n) for n in numbers)
            self._before[plane] = rejected, accepted

    def kept(self, plane: Plane) -> MaskSet:
        """The masks of a plane that pass the filters and were not rejected."""
        found = self.found.get(plane)
        if found is None:
            raise InputError("Nothing was searched for in this plane yet.")
        chosen = self.filters.choose(found)
        rejected = self.rejected.get(plane)
        if rejected:
            chosen = chosen[~np.isin(chosen.candidate, list(rejected))]
        return chosen

    def labels(self, plane: Plane) -> tuple[NDArray[np.int32], MaskSet]:
        """(H, W) labels 1..n of a plane, and the mask of each."""
        kept = self.kept(plane)
        labels, source = paint(kept, **asdict(self.filters.labels))
        return labels.astype(np.int32), kept[source]

    def coloured(self, plane: Plane) -> tuple[NDArray[np.int32], MaskSet]:
        """The same with labels that stay the same whatever the filters are."""
        kept = self.kept(plane)
        labels, source = paint_sources(kept, **asdict(self.filters.labels))
        names = np.concatenate([[0], kept.candidate + 1]).astype(np.int32)
        return names[labels], kept[source]

    def doubtful(self, plane: Plane) -> list[int]:
        """Candidates of a plane that nobody accepted yet, the most doubtful first."""
        if plane not in self.found:
            return []
        _, masks = self.labels(plane)
        order = np.argsort(-uncertainty(masks), kind="stable")
        seen = self.accepted.get(plane, set())
        return [int(n) for n in masks.candidate[order] if int(n) not in seen]

    def reject(self, plane: Plane, candidate: int) -> None:
        """Leave an object out."""
        self.rejected.setdefault(plane, set()).add(candidate)
        self.accepted.get(plane, set()).discard(candidate)

    def accept(self, plane: Plane, candidate: int) -> None:
        """Have seen an object and found it good."""
        self.accepted.setdefault(plane, set()).add(candidate)

    def recipe(self) -> Recipe:
        """With which the command line makes the same labels; rejected objects aside.

        Raises
        ------
        InputError
            If nothing was searched for.
        """
        if self.model is None or self.params is None:
            raise InputError("Nothing was searched for yet.")
        rows, cols = self.source.shape[-2:]
        return make_recipe(
            self.model,
            self.filters.params(self.params, rows * cols),
            self.filters.labels,
            axes="auto",
            channels=tuple(getattr(self.source, "channels", (0,))),
        )
