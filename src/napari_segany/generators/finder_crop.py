"""Search of one plane or crop with a finder: maps, proposals, and the model's answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.generators.finder_candidates import (
    Proposals,
    answer_features,
    ask_model,
    mask_features,
    propose_regions,
)
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.finder_views import with_mirror_views
from napari_segany.generators.point_grids import PointCrop, point_grid
from napari_segany.generators.point_search import CropPrompter, PointCounter
from napari_segany.generators.quality import Quality
from napari_segany.generators.region_features import MaskMeter
from napari_segany.models.finder import CELL, UNIT, FinderModel, ObjectMaps
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.screening import Screen

LEAST_REGION = 0.25
"""Expected IoU of regions below which they are not looked at further."""

SURE_REGION = 0.8
"""Expected IoU of regions from which the model is not asked: it would hardly draw them better."""

MOST_ASKED = 32
"""Doubtful regions of a crop that the model is asked for, at most; the best of them."""

MARGIN = 0.08
"""Expected IoU by which the model's mask must be better than a region to take its place."""

GRID_IOU, GRID_STABILITY = 0.7, 0.85
"""Least scores of the model's own masks at points of the coarse grid."""

ASKED_A_LOOK, POINTS_A_LOOK = 32, 64
"""Regions that the model is asked for, and points that it is prompted at, in about the time in
which a crop is embedded and its regions are proposed; for the progress that is reported."""

TRUSTED_IOU, TRUSTED_STABILITY = 0.88, 0.95
"""Least scores where the model judges, as in the published grid: the finder's estimate expects
little of what looks unlike cells."""

SAME_MASK = 0.8
"""IoU above which two of them are the same."""

SAME_SIZE = 0.5
"""Difference in log2 of the side up to which a region is as large as the map of sizes tells."""

SILENT = 0.4
"""Expected IoU of regions above which points inside them need no prompt of the grid."""


@dataclass(frozen=True)
class SeenCrop:
    """A crop that the finder has seen.

    Attributes
    ----------
    embedding : Embedding
        Of the crop, without the stages.
    maps : ObjectMaps
        Of the crop.
    proposals : Proposals
        Regions that may be objects.
    """

    embedding: Embedding
    maps: ObjectMaps
    proposals: Proposals

    @property
    def clear_objects(self) -> int:
        """Number of regions that are probably objects, and as large as the map of sizes tells.

        Clusters of tiny objects look like objects, too, but the sizes in them are of no one region.
        """
        tree, good = self.proposals.tree, self.proposals.quality >= SILENT
        nodes = self.proposals.nodes[good]
        log2_side = np.log2(CELL * np.sqrt(tree.area[nodes]) / UNIT)
        return int((np.abs(tree.mean_size[nodes] - log2_side) < SAME_SIZE).sum())

    @property
    def median_side(self) -> float:
        """Median side of the objects in pixels of the frame, 0 if there is none."""
        good = self.proposals.quality >= SILENT
        if not good.any():
            good = np.ones(len(good), bool)
        if not len(good):
            return 0.0
        predicted = self.proposals.tree.mean_size[self.proposals.nodes[good]]
        # The map has no bounds, and no object is larger than the frame.
        log2_side = min(float(np.median(predicted)), np.log2(self.maps.frame.side / UNIT))
        return float(UNIT * 2**log2_side)


@dataclass(frozen=True)
class CropSearch:
    """Search of crops of one plane.

    Attributes
    ----------
    model : PromptableModel
        The model that is asked.
    finder : FinderModel
        The finder.
    quality : Quality
        Its estimate of the IoU.
    params : FinderParams
        With everything filled in.
    should_stop : callable, optional
        Polled often.
    """

    model: PromptableModel
    finder: FinderModel
    quality: Quality
    params: FinderParams
    should_stop: ShouldStop | None = None

    def look(self, pixels: NDArray[np.uint8], embedding: Embedding | None = None) -> SeenCrop:
        """Embed an (H, W, 3) uint8 crop and propose regions."""
        if embedding is None or not embedding.stages:
            embedding = self.model.embed(pixels, stages=True, should_stop=self.should_stop)
        maps = self.finder.predict_maps(embedding, pixels, should_stop=self.should_stop)
        # Most of the memory of an embedding, and not needed any more.
        embedding = embedding.without_stages()
        check(self.should_stop)
        between, stop = self.params.outlines == "between", self.should_stop
        views = self.params.views or 1
        maps = with_mirror_views(maps, views, self.model, self.finder, pixels, stop)
        proposals = propose_regions(
            maps, self.quality, LEAST_REGION, between=between, should_stop=stop
        )
        return SeenCrop(embedding, maps, proposals)

    def find_masks(
        self,
        seen: SeenCrop,
        region: NDArray[np.bool_] | None,
        advance: Callable[[float], None],
    ) -> MaskSet:
        """Return all candidates of a crop; their predicted IoU is the estimate.

        Parameters
        ----------
        seen : SeenCrop
            The crop.
        region : ndarray, optional
            (H, W) boolean; candidates are searched for only inside it.
        advance : callable
            Called with the fraction that is done, about in proportion to the time.
        """
        proposals = seen.proposals
        if region is not None:
            rows, cols = np.rint(proposals.points).astype(np.int64).T
            proposals = proposals[region[rows, cols]]
        meter, numbers = MaskMeter.of(seen.maps), self._numbers_to_ask(proposals)
        asked = 1 + len(numbers) / ASKED_A_LOOK
        points = self.params.grid_points_per_side**2 / POINTS_A_LOOK
        advance(1 / (asked + points))
        parts = self._ask(seen, proposals, numbers, meter)
        advance(asked / (asked + points))
        if self.params.grid_points_per_side:

            def progress(done: int, total: int) -> None:
                advance((asked + points * done / total) / (asked + points))

            found = prompt_silent_points(
                self.model,
                seen.embedding,
                proposals,
                self.params,
                region,
                self.should_stop,
                progress,
            )
            if self.params.grid_scores == "model":
                parts = [*map(rank_below_trusted, parts), found]
            else:
                features = mask_features(found, meter, proposals.context)
                parts.append(replace(found, predicted_iou=self.quality.mask(features)))
        advance(1.0)
        shape = seen.embedding.shape
        return MaskSet.concatenate([MaskSet.empty(shape), *parts])

    def _numbers_to_ask(self, proposals: Proposals) -> NDArray[np.int64]:
        """Return the numbers of the regions that the model is asked for."""
        source = self.params.mask_source
        if source == "best":
            return choose_doubtful(proposals)
        return np.arange(len(proposals.nodes) if source == "model" else 0)

    def _ask(
        self,
        seen: SeenCrop,
        proposals: Proposals,
        numbers: NDArray[np.int64],
        meter: MaskMeter,
    ) -> list[MaskSet]:
        """Return the regions, or the model's masks in place of those that it draws better."""
        source = self.params.mask_source
        if not len(numbers):
            return [proposals.masks]
        asked = proposals[numbers]
        answers = ask_model(
            self.model, seen.embedding, asked, self.params.negative_points, self.should_stop
        )
        of_regions, of_masks = answer_features(asked, answers, meter)
        masks = replace(answers.masks, predicted_iou=self.quality.mask(of_masks))
        if source == "model":
            return [masks]
        regions = replace(asked.masks, predicted_iou=self.quality.asked_region(of_regions))
        better = masks.predicted_iou > regions.predicted_iou + MARGIN
        others = np.setdiff1d(np.arange(len(proposals.nodes)), numbers)
        return [proposals.masks[others], regions[~better], masks[better]]


def choose_doubtful(proposals: Proposals) -> NDArray[np.int64]:
    """Return the numbers of the regions that the model is asked for, best first."""
    return np.flatnonzero(proposals.quality < SURE_REGION)[:MOST_ASKED]


def rank_below_trusted(masks: MaskSet) -> MaskSet:
    """Return masks with estimates below the scores of the model's masks that a grid keeps."""
    return replace(masks, predicted_iou=np.minimum(masks.predicted_iou, np.float32(TRUSTED_IOU)))


def prompt_silent_points(
    model: PromptableModel,
    embedding: Embedding,
    proposals: Proposals,
    params: FinderParams,
    region: NDArray[np.bool_] | None = None,
    should_stop: ShouldStop | None = None,
    progress: Progress | None = None,
) -> MaskSet:
    """Return the model's masks at points of a coarse grid where the finder sees nothing.

    Parameters
    ----------
    model : PromptableModel
        The model that is asked.
    embedding : Embedding
        Of the crop.
    proposals : Proposals
        Regions of the finder; points in good ones are left out.
    params : FinderParams
        The grid.
    region : ndarray, optional
        (H, W) boolean; points are prompted only inside it.
    should_stop : callable, optional
        Polled between groups of points.
    progress : callable, optional
        Called with points done and points in all.
    """
    shape = embedding.shape
    points = point_grid(params.grid_points_per_side) * shape
    pixel = np.minimum(np.rint(points).astype(np.int64), np.array(shape) - 1)
    taken = np.zeros(shape, bool)
    trusting = params.grid_scores == "model"
    # Where the model judges, what the finder sees is no reason to leave a place out.
    for i in np.flatnonzero((proposals.quality >= SILENT) & (not trusting)).tolist():
        a, b, c, d = proposals.masks.boxes[i]
        taken[a:c, b:d] |= proposals.masks.crop(i)
    silent = ~taken[pixel[:, 0], pixel[:, 1]]
    if region is not None:
        silent &= region[pixel[:, 0], pixel[:, 1]]
    if not silent.any():
        return MaskSet.empty(shape)
    # Masks of any area suppress others here, so that a bound on it can be a filter.
    least = (TRUSTED_IOU, TRUSTED_STABILITY) if trusting else (GRID_IOU, GRID_STABILITY)
    screen = Screen(*least, 1.0, params.stability_score_offset)
    crop = PointCrop(
        (0, 0, *shape), points[silent], params.grid_points_per_side, np.flatnonzero(silent)
    )
    prompter = CropPrompter(
        model.prepare(embedding),
        crop,
        shape,
        screen,
        params.points_per_batch,
        PointCounter(len(crop.points), progress, should_stop),
    )
    found = prompter.prompt_points(crop.points).masks
    if trusting:
        # The screen lets pass what may be stable enough.
        found = found[found.stability_score >= TRUSTED_STABILITY]
    return found.nms(SAME_MASK)
