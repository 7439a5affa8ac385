"""Search for objects at points: crops are embedded, prompted at points, and candidates collected.

Kirillov et al., "Segment Anything" (ICCV 2023), appendix B; parameters and rules are those of
the published code's automatic mask generator. The point generators differ in which
points of a crop they prompt.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.core.upsampling import draw
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.point_grids import PointCrop, count_points, plan_crops
from napari_segany.models.protocol import (
    EmbeddedCrop,
    Embedding,
    PointCandidates,
    PromptableModel,
)
from napari_segany.models.screening import Screen, SparseEstimate

EDGE_TOLERANCE = 20.0
"""Pixels within which a box counts as touching the border of its crop."""


PRED_IOU_KEPT, STABILITY_KEPT = 0.08, 0.10
"""Distances below the thresholds down to which candidates are kept, for filtering again."""


@dataclass(frozen=True)
class FoundCandidates:
    """Candidates of some points, in the plane.

    Attributes
    ----------
    masks : MaskSet
        In the order of the points.
    estimate : SparseEstimate
        Bounds that were known before the masks were computed.
    """

    masks: MaskSet
    estimate: SparseEstimate

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> "FoundCandidates":
        """Return no candidates of a plane of ``shape`` (H, W)."""
        return cls(MaskSet.empty(shape), SparseEstimate.nothing(0))

    @classmethod
    def concatenate(cls, parts: "Sequence[FoundCandidates]") -> "FoundCandidates":
        """Join candidates of one plane, in order."""
        estimates = [part.estimate for part in parts]
        return cls(
            MaskSet.concatenate([part.masks for part in parts]),
            SparseEstimate(
                np.concatenate([each.stability_at_most for each in estimates]),
                np.concatenate([each.area_at_least for each in estimates]),
            ),
        )


class PointCounter:
    """The points done in one run; reports progress and checks for cancellation."""

    def __init__(
        self, total: int, progress: Progress | None, should_stop: ShouldStop | None
    ) -> None:
        self.done, self.total = 0, total
        self.progress, self.should_stop = progress, should_stop

    def check(self) -> None:
        """Raise Cancelled if the run is to stop."""
        check(self.should_stop)

    def add(self, points: int) -> None:
        """Count points as done and report them."""
        self.done += points
        if points and self.progress is not None:
            self.progress(self.done, self.total)


@dataclass(frozen=True)
class CropPrompter:
    """An embedded crop that turns points into candidate masks of the plane.

    Attributes
    ----------
    embedded : EmbeddedCrop
        The crop, embedded.
    crop : PointCrop
        Its place in the plane.
    shape : tuple of int
        (H, W) of the plane.
    screen : Screen
        Bounds that candidates have to pass.
    at_once : int
        Points that are decoded together, at most.
    counter : PointCounter
        Of the run.
    """

    embedded: EmbeddedCrop
    crop: PointCrop
    shape: tuple[int, int]
    screen: Screen
    at_once: int
    counter: PointCounter

    def prompt_points(self, points: NDArray[np.float64]) -> FoundCandidates:
        """Return all candidates at (P, 2) row, column in the crop."""
        parts = [FoundCandidates.empty(self.shape)]
        self.counter.check()
        # Closed in any case, so that a run that is stopped leaves nothing running.
        with closing(self._groups(points)) as groups:
            for found in groups:
                parts.append(found)
                self.counter.add(found.masks.prompts_asked)
                self.counter.check()
        return FoundCandidates.concatenate(parts)

    def skip_points(self, count: int) -> None:
        """Count points that are not prompted as done."""
        self.counter.add(count)

    def _groups(self, points: NDArray[np.float64]) -> Generator[FoundCandidates]:
        yield from self.embedded.predict_points(points, self.at_once, self.screen, self._draw_group)

    def _draw_group(self, candidates: PointCandidates) -> FoundCandidates:
        drawn = draw(
            candidates.logits,
            self.embedded.frame,
            self.screen.offset,
            self.screen.stability,
            screened=self.screen.sparse,
        )
        box = self.crop.box
        masks = MaskSet.from_crops(
            self.shape,
            drawn.masks,
            [(row + box[0], col + box[1]) for row, col in drawn.origins],
            predicted_iou=candidates.predicted_iou.cpu().numpy()[drawn.kept],
            stability_score=drawn.stability_score,
            points=candidates.points[drawn.kept] + np.array(box[:2]),
            crop_box=box,
        )
        estimate = candidates.estimate[drawn.kept].and_stability(drawn.stability_at_most)
        whole = ~_touches_crop_only(masks.inclusive_boxes, box, self.shape)
        return FoundCandidates(
            replace(masks[whole], prompts_asked=candidates.prompted), estimate[whole]
        )


def _touches_crop_only(
    boxes: NDArray[np.int64], crop: tuple[int, int, int, int], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Tell boxes near a border of their crop that is no border of the plane: cut objects."""
    near_crop = np.abs(boxes - np.asarray(crop)) <= EDGE_TOLERANCE
    near_plane = np.abs(boxes - np.array([0, 0, *shape])) <= EDGE_TOLERANCE
    touching: NDArray[np.bool_] = (near_crop & ~near_plane).any(axis=1)
    return touching


def _loosened(bound: float, by: float) -> float:
    """Return a bound that much lower, and no bound at all where nothing positive is left."""
    # Rounded, so that 0.9 less 0.08 is the 0.82 that a user will ask for.
    lower = round(bound - by, 9)
    return lower if lower > 0 else float("-inf")


@dataclass(frozen=True)
class PointGenerator(ABC):
    """Base of the generators that prompt a model at points of a grid.

    Attributes
    ----------
    params : AutomaticParams
        With thresholds filled in (``params.resolved(...)``).
    faithful : bool
        Compute every candidate in full and in the plane's pixels, as the published code does.
    """

    params: AutomaticParams
    faithful: bool = False

    @abstractmethod
    def search_crop(self, prompter: CropPrompter) -> FoundCandidates:
        """Return the candidates of one crop; every point of it is prompted or skipped."""

    def screen(self, refilter: bool) -> Screen:
        """Return the bounds on the candidates that are kept."""
        loose = refilter and not self.faithful
        return Screen(
            pred_iou=_loosened(self.params.pred_iou_floor, PRED_IOU_KEPT * loose),
            stability=_loosened(self.params.stability_floor, STABILITY_KEPT * loose),
            max_area=self.params.max_area_fraction,
            offset=self.params.stability_score_offset,
            sparse=not self.faithful,
        )

    def count_steps(self, shape: tuple[int, int], region: NDArray[np.bool_] | None = None) -> int:
        """Return the number of points on a plane of ``shape`` (H, W), prompted or skipped."""
        return count_points(shape, self.params, region)

    def find(
        self,
        model: PromptableModel,
        plane: NDArray[np.uint8],
        *,
        region: NDArray[np.bool_] | None = None,
        embedding: Embedding | None = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
        refilter: bool = True,
    ) -> MaskSet:
        """Find the objects of a plane; see :class:`MaskGenerator`.

        Crops are always embedded anew. Masks come best predicted IoU first within a crop, smaller
        crops first.
        """
        shape = (plane.shape[0], plane.shape[1])
        crops = plan_crops(shape, self.params, region)
        screen = self.screen(refilter)
        counter = PointCounter(sum(len(crop.points) for crop in crops), progress, should_stop)
        parts = [FoundCandidates.empty(shape)]
        for crop in crops:
            pixels = plane[crop.slices]
            known = embedding if pixels.shape == plane.shape else None
            if known is None:
                known = model.embed(pixels, should_stop=should_stop)
            # A mask of part of the plane may cover more of a crop.
            share = shape[0] * shape[1] / crop.area
            prompter = CropPrompter(
                model.prepare(known),
                crop,
                shape,
                replace(screen, max_area=screen.max_area * share),
                self.params.points_per_batch,
                counter,
            )
            parts.append(self.search_crop(prompter))
        found = FoundCandidates.concatenate(parts)
        return Candidates.of(found.masks, found.estimate, self.params, screen).select()
