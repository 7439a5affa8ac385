"""Decoder: objects from the foreground and distances that micro-sam's decoders predict.

Seeds lie near predicted centres. Around each a region grows up to predicted borders, or the model
is asked with a point in it, and again with the box of its mask and points of neighbours.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt, prompt_boxes
from napari_segany.core.region import check_plane_region
from napari_segany.generators.answer_each import answer_each
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.decoder_params import DecoderParams, require_decoder
from napari_segany.generators.distance_regions import (
    find_seeds,
    grow_regions,
    seed_points,
    smooth_maps,
)
from napari_segany.generators.plane_steps import PlaneSteps, count_plane_steps
from napari_segany.models.distance_decoder import DistanceMaps
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.screening import Screen, SparseEstimate

SEEDED = 0.5
"""Fraction of the work that is done once seeds are known."""

BOX_EXTENSION = 0.01
"""Fraction of its sides by which a box grows on each side, as published."""


@dataclass(frozen=True)
class DecoderGenerator:
    """Generator that finds objects with a decoder.

    Attributes
    ----------
    params : DecoderParams
        With everything filled in (``params.resolved_for(model)``).
    """

    params: DecoderParams

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
        """Find the objects of a plane; see :class:`MaskGenerator`."""
        shape = (plane.shape[0], plane.shape[1])
        check_plane_region(region, shape)
        steps = PlaneSteps(self.count_steps(shape, region), progress, should_stop)
        steps.advance(0.0)
        masks = MaskSet.empty(shape)
        if region is None or region.any():
            decoder = require_decoder(model, self.params.decoder)
            if embedding is None:
                embedding = model.embed(plane, should_stop=should_stop)
            maps = decoder.predict_maps(embedding, should_stop=should_stop)
            masks = self._masks(model, embedding, maps, region, steps)
            masks = masks[np.argsort(-masks.predicted_iou, kind="stable")]
        found = Candidates.of(
            replace(masks, candidate=np.arange(len(masks))),
            SparseEstimate.nothing(len(masks)),
            self.params,
            Screen(float("-inf"), float("-inf"), 1.0, self.params.stability_score_offset),
        ).select()
        steps.advance(1.0)
        return found

    def _masks(
        self,
        model: PromptableModel,
        embedding: Embedding,
        maps: DistanceMaps,
        region: NDArray[np.bool_] | None,
        steps: PlaneSteps,
    ) -> MaskSet:
        """Return a mask for each seed whose point lies in the region."""
        smoothed = smooth_maps(maps, self.params)
        seeds = find_seeds(smoothed, self.params)
        points = seed_points(seeds)
        numbers = np.arange(len(points))
        if region is not None:
            rows, cols = points.astype(np.int64).T
            numbers = numbers[region[rows, cols]]
        steps.advance(SEEDED)
        if self.params.mask_source == "region":
            regions = grow_regions(smoothed, seeds, self.params)
            return masks_of_regions(regions, maps.foreground, points)[numbers]
        return self._ask(model, embedding, points, numbers, steps)

    def _ask(
        self,
        model: PromptableModel,
        embedding: Embedding,
        points: NDArray[np.float64],
        numbers: NDArray[np.int64],
        steps: PlaneSteps,
    ) -> MaskSet:
        """Return the model's masks for some of the seeds."""
        twice = self.params.box_refinement
        half = (SEEDED + 1) / 2 if twice else 1.0
        prompts = [Prompt(points=points[[n]], labels=[1]) for n in numbers.tolist()]
        masks = answer_each(model, embedding, prompts, steps.part(SEEDED, half), steps.should_stop)
        seen = masks.area > 0
        masks = masks[seen]
        if twice:
            prompts = refined_prompts(masks, points, numbers[seen], self.params.negative_points)
            rest = steps.part(half, 1.0)
            masks = answer_each(model, embedding, prompts, rest, steps.should_stop)
        return replace(masks, prompts_asked=len(numbers) + twice * len(masks))


def masks_of_regions(
    regions: NDArray[np.int32], foreground: NDArray[np.float32], points: NDArray[np.float64]
) -> MaskSet:
    """Return the regions 1, 2 ... of a plane as masks; predicted IoU is their mean foreground."""
    if not len(points):
        return MaskSet.empty((regions.shape[0], regions.shape[1]))
    numbers = np.arange(1, len(points) + 1)
    boxes = ndimage.find_objects(regions, len(points))
    scores = ndimage.mean(np.nan_to_num(foreground, nan=0.0), regions, numbers)
    return MaskSet.from_crops(
        (regions.shape[0], regions.shape[1]),
        [regions[box] == number for number, box in zip(numbers, boxes, strict=True)],
        [(rows.start, cols.start) for rows, cols in boxes],
        predicted_iou=np.asarray(scores, np.float32),
        points=points,
    )


def refined_prompts(
    masks: MaskSet, points: NDArray[np.float64], numbers: NDArray[np.int64], negatives: int
) -> list[Prompt]:
    """Return the second prompt of each mask: its box, its seed, and seeds around it.

    Parameters
    ----------
    masks : MaskSet
        The first masks.
    points : ndarray
        (N, 2) row, column of all seeds.
    numbers : ndarray
        Seed of each mask.
    negatives : int
        Nearest other seeds that are given as not part of the object.
    """
    if not len(masks):
        return []
    sides = masks.boxes[:, 2:] - masks.boxes[:, :2]
    boxes = prompt_boxes(masks.boxes, np.tile(sides, 2) * BOX_EXTENSION, masks.shape)
    near = min(negatives + 1, len(points))
    _, order = KDTree(points).query(points[numbers], [*range(1, near + 1)])
    prompts = []
    for number, others, box in zip(numbers.tolist(), order.tolist(), boxes, strict=True):
        around = [each for each in others if each != number][:negatives]
        prompts.append(
            Prompt(points=points[[number, *around]], labels=[1] + [0] * len(around), box=box)
        )
    return prompts
