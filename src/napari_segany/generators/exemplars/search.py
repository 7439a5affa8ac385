"""Search of a plane for objects like examples.

Whoever can proposes masks: a finder its regions, the model its masks at points whose features
resemble the examples. All are rated by their likeness to the examples. Regions are kept for a
while, so that a second search of the same plane only rates them again.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.region import check_plane_region
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.exemplars.descriptors import describe_masks
from napari_segany.generators.exemplars.example_set import ExampleSet
from napari_segany.generators.exemplars.known_regions import KnownRegions, key_of
from napari_segany.generators.exemplars.likeness import MODEL_TRUST, rate_likeness
from napari_segany.generators.exemplars.params import ExemplarParams
from napari_segany.generators.exemplars.similar_points import find_similar_points
from napari_segany.generators.finder import FinderGenerator
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.plane_steps import PlaneSteps, count_plane_steps
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.screening import Screen, SparseEstimate

LEAST_LIKENESS = 0.05
"""Likeness below which no candidate is kept, for filtering again."""

TAKEN = 0.5
"""Likeness of regions in which no point is prompted."""

SMALLEST = 1 / 24
"""Part of the area of the smallest example below which a mask is a speck. Larger masks have no such
bound: their likeness falls with the ratio of areas."""

SHARES = (0.1, 0.5, 0.6, 0.9)
"""Parts of the plane that are done after its embedding, the regions, their rating, the points."""

KNOWN = KnownRegions()
"""Regions that this process found lately."""

PROMPTS_AT_ONCE = 16
"""Points that are prompted between two reports of progress."""


@dataclass(frozen=True)
class ExemplarGenerator:
    """Generator that finds objects like examples.

    Attributes
    ----------
    params : ExemplarParams
        With examples of the model's (``params.resolved_for(model)``).
    """

    params: ExemplarParams

    def count_steps(self, shape: tuple[int, int], region: NDArray[np.bool_] | None = None) -> int:
        """Return the number of steps: the same on any plane, fewer for a part of it."""
        return count_plane_steps(region)

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
        """Find the objects of a plane that are like the examples; see :class:`MaskGenerator`.

        The predicted IoU of the masks is that with an object like the examples.
        """
        shape = (plane.shape[0], plane.shape[1])
        check_plane_region(region, shape)
        report = PlaneSteps(self.count_steps(shape, region), progress, should_stop)
        report.advance(0.0)
        masks = MaskSet.empty(shape)
        if region is None or region.any():
            masks = self._propose(model, plane, region, embedding, report)
        masks = masks[np.argsort(-masks.predicted_iou, kind="stable")]
        loosest = min(LEAST_LIKENESS if refilter else np.inf, self.params.pred_iou_floor)
        masks = masks[masks.predicted_iou > loosest]
        everything = Candidates.of(
            replace(masks, candidate=np.arange(len(masks))),
            SparseEstimate.nothing(len(masks)),
            self.params,
            Screen(loosest, float("-inf"), 1.0, self.params.stability_score_offset),
        )
        found = everything.select()
        report.advance(1.0)
        return found

    def _propose(
        self,
        model: PromptableModel,
        plane: NDArray[np.uint8],
        region: NDArray[np.bool_] | None,
        embedding: Embedding | None,
        report: PlaneSteps,
    ) -> MaskSet:
        """Return all masks with their likeness as predicted IoU."""
        examples = self.params.require_examples()
        has_stages = bool(examples.finder)
        if embedding is None or (has_stages and not embedding.stages):
            embedding = model.embed(plane, stages=has_stages, should_stop=report.should_stop)
        elif not has_stages:
            embedding = embedding.without_stages()
        report.advance(SHARES[0])
        shape, stop = embedding.shape, report.should_stop

        def rate(masks: MaskSet, is_region: bool) -> MaskSet:
            found = describe_masks(model, embedding, plane, masks, stop)
            quality = quality_of_masks(masks, is_region)
            rated = rate_likeness(found, quality, examples, rank_by=self.params.rank_by)
            return replace(masks, predicted_iou=rated)

        parts = [MaskSet.empty(shape)]
        if examples.finder:
            generator = FinderGenerator(
                # Without bounds, as likeness decides.
                FinderParams(
                    finder=examples.finder, pred_iou_thresh=0.0, min_area=0, outlines="better"
                )
            )
            regions = KNOWN.get(
                key_of(model, examples.finder, plane, region),
                lambda: (
                    generator.find(
                        model,
                        plane,
                        region=region,
                        embedding=embedding,
                        progress=report.part(SHARES[0], SHARES[1]),
                        should_stop=stop,
                    ).all_candidates
                ),
            )
            parts.append(rate(without_specks(regions, examples), True))
        report.advance(SHARES[2])
        if self.params.points:
            points = find_similar_points(
                model, embedding, examples, self._free(parts, region, shape), self.params.points
            )
            found = self._prompt(model, embedding, points, report.part(*SHARES[2:]), stop)
            parts.append(rate(without_specks(found, examples), False))
        check(stop)
        asked = sum(part.prompts_asked for part in parts)
        return replace(MaskSet.concatenate(parts), prompts_asked=asked)

    @staticmethod
    def _free(
        parts: list[MaskSet], region: NDArray[np.bool_] | None, shape: tuple[int, int]
    ) -> NDArray[np.bool_]:
        """Return the (H, W) places where points may be prompted."""
        free = np.ones(shape, bool) if region is None else region.copy()
        for masks in parts:
            for i in np.flatnonzero(masks.predicted_iou >= TAKEN).tolist():
                a, b, c, d = masks.boxes[i]
                free[a:c, b:d] &= ~masks.crop(i)
        return free

    @staticmethod
    def _prompt(
        model: PromptableModel,
        embedding: Embedding,
        points: NDArray[np.float64],
        progress: Progress,
        should_stop: ShouldStop | None,
    ) -> MaskSet:
        """Return the model's masks at (P, 2) row, column."""
        parts = [MaskSet.empty(embedding.shape)]
        for start in range(0, len(points), PROMPTS_AT_ONCE):
            some = points[start : start + PROMPTS_AT_ONCE]
            parts += model.predict(
                embedding,
                [Prompt(points=point[None], labels=[1]) for point in some],
                multimask="both",
                low_res_logits=False,
                should_stop=should_stop,
            )
            progress(start + len(some), len(points))
        found = MaskSet.concatenate(parts).without_logits()
        return replace(found, prompts_asked=len(points))


def quality_of_masks(masks: MaskSet, is_region: bool) -> NDArray[np.float32]:
    """Return the IoU that is expected of masks, of a finder or of the model, with any object."""
    if is_region:
        return masks.predicted_iou
    scores = np.clip(masks.predicted_iou, 0, 1) * masks.stability_score
    return (MODEL_TRUST * scores).astype(np.float32)


def without_specks(masks: MaskSet, examples: ExampleSet) -> MaskSet:
    """Return the masks that are not far smaller than every example."""
    least = SMALLEST * min(each.area for each in examples.examples)
    return masks[masks.area >= max(least, 1)]
