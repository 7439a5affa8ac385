"""Segmentation by text: phrases are found by a text model, and drawn by the promptable model.

A detector gives boxes, which become box prompts, or draws masks as well. A ranker gives
probabilities to the masks of a grid of points. Each phrase is a class of objects.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.mask_classes import MaskClasses
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import box_nms
from napari_segany.core.prompts import Prompt, prompt_boxes
from napari_segany.core.region import check_plane_region
from napari_segany.generators.adaptive import AdaptiveGenerator
from napari_segany.generators.answer_each import answer_each
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.plane_steps import STEPS, PlaneSteps, count_plane_steps
from napari_segany.generators.text_params import TextParams
from napari_segany.generators.unmatched_text import describe_unmatched
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.screening import Screen, SparseEstimate
from napari_segany.models.text_models import load_text_model, require_text_model
from napari_segany.models.text_protocol import TextBoxes, TextDetector, TextRanker, TextSegmenter

logger = logging.getLogger(__name__)

STEPS_TO_FIND = 50
"""Steps that are done once the text model has found boxes, or the grid masks."""

LEAST_SIDE = 2.0
"""Shortest side in pixels of a box that is drawn."""


@dataclass(frozen=True)
class TextGenerator:
    """Generator that finds what phrases name.

    Attributes
    ----------
    params : TextParams
        With everything filled in (``params.resolved_for(model)``).
    """

    params: TextParams

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
        """Find what the phrases name in a plane; see :class:`MaskGenerator`.

        The set has a class for each phrase. For a phrase without an object, a warning in the log
        names the best score.
        """
        shape = (plane.shape[0], plane.shape[1])
        check_plane_region(region, shape)
        report = PlaneSteps(self.count_steps(shape, region), progress, should_stop)
        report.advance(0.0)
        if region is not None and not region.any():
            masks = self._empty(shape)
        else:
            params = self.params
            card = require_text_model(params.text_model, params.text_model_sha256)
            text_model = load_text_model(card, model.device)
            if isinstance(text_model, TextSegmenter) and params.mask_source == "text_model":
                masks = self._take_masks(text_model, plane, region, report)
            elif isinstance(text_model, TextDetector):
                masks = self._draw_boxes(text_model, model, plane, region, embedding, report)
            else:
                masks = self._rank_masks(text_model, model, plane, region, embedding, report)
            masks = masks[np.argsort(-masks.best_first, kind="stable")]
        stored = Screen(float("-inf"), float("-inf"), 1.0, self.params.stability_score_offset)
        estimate = SparseEstimate.nothing(len(masks))
        masks = replace(masks, candidate=np.arange(len(masks)))
        found = Candidates.of(masks, estimate, self.params, stored).select()
        report.advance(1.0)
        for sentence in describe_unmatched([found.classes], self.params.text_threshold):
            logger.warning("%s", sentence)
        return found

    def _empty(self, shape: tuple[int, int]) -> MaskSet:
        phrases = self.params.text
        none = np.zeros(0, np.int64), np.zeros(0, np.float32)
        classes = MaskClasses(phrases, *none, (float("nan"),) * len(phrases))
        return replace(MaskSet.empty(shape), classes=classes)

    def _take_masks(
        self,
        segmenter: TextSegmenter,
        plane: NDArray[np.uint8],
        region: NDArray[np.bool_] | None,
        report: PlaneSteps,
    ) -> MaskSet:
        """Return the masks that the text model draws itself."""
        params = self.params
        seen = segmenter.find_masks(
            plane, params.text, params.score_floor, should_stop=report.should_stop
        )
        seen = within(seen, (plane.shape[0], plane.shape[1]), region)
        chosen, classes = choose_boxes(seen, params)
        assert seen.masks is not None
        return replace(seen.masks[chosen], classes=classes)

    def _draw_boxes(
        self,
        detector: TextDetector,
        model: PromptableModel,
        plane: NDArray[np.uint8],
        region: NDArray[np.bool_] | None,
        embedding: Embedding | None,
        report: PlaneSteps,
    ) -> MaskSet:
        """Return a mask for each box that the detector found."""
        params = self.params
        prompts, classes = find_prompts(detector, plane, params, region, report.should_stop)
        report.advance(STEPS_TO_FIND / STEPS)
        if not prompts:
            return replace(MaskSet.empty((plane.shape[0], plane.shape[1])), classes=classes)
        if embedding is None:
            embedding = model.embed(plane, should_stop=report.should_stop)
        rest = report.part(STEPS_TO_FIND / STEPS, 1.0)
        masks = answer_each(model, embedding, prompts, rest, report.should_stop)
        return replace(masks, classes=classes)

    def _rank_masks(
        self,
        ranker: TextRanker,
        model: PromptableModel,
        plane: NDArray[np.uint8],
        region: NDArray[np.bool_] | None,
        embedding: Embedding | None,
        report: PlaneSteps,
    ) -> MaskSet:
        """Return the masks of a grid of points that the ranker gives to a phrase."""
        params = self.params
        grid = AutomaticParams("adaptive", params.rank_points_per_side).resolved_for(model)
        masks = AdaptiveGenerator(grid).find(
            model,
            plane,
            region=region,
            embedding=embedding,
            progress=report.part(0.0, STEPS_TO_FIND / STEPS),
            should_stop=report.should_stop,
            refilter=False,
        )
        scores = ranker.score_boxes(
            plane,
            masks.boxes,
            params.text,
            [each for each in params.contrast if each not in params.text],
            progress=report.part(STEPS_TO_FIND / STEPS, 1.0),
            should_stop=report.should_stop,
        )
        chosen, classes = choose_boxes(TextBoxes(masks.boxes.astype(float), scores), params)
        return replace(masks[chosen], classes=classes)


def find_prompts(
    detector: TextDetector,
    plane: NDArray[np.uint8],
    params: TextParams,
    region: NDArray[np.bool_] | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[list[Prompt], MaskClasses]:
    """Return a box prompt for each object that the phrases find, and the phrases of these.

    Parameters
    ----------
    detector : TextDetector
        The text model.
    plane : ndarray
        (H, W, 3) uint8.
    params : TextParams
        With everything filled in.
    region : ndarray, optional
        (H, W) boolean; centres of boxes lie inside it.
    should_stop : callable, optional
        Polled from time to time.
    """
    seen = detector.find_boxes(plane, params.text, should_stop=should_stop)
    seen = within(seen, (plane.shape[0], plane.shape[1]), region)
    chosen, classes = choose_boxes(seen, params)
    boxes = prompt_boxes(seen.boxes[chosen], 0, (plane.shape[0], plane.shape[1]))
    return [Prompt(box=box) for box in boxes], classes


def within(found: TextBoxes, shape: tuple[int, int], region: NDArray[np.bool_] | None) -> TextBoxes:
    """Return the boxes whose centre lies in the plane, and in the region, cut to the plane."""
    size = np.array(shape, np.float64)
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    keep = ((centres >= 0) & (centres < size)).all(axis=1)
    boxes = found.boxes.clip(0, np.tile(size, 2))
    keep &= (boxes[:, 2:] - boxes[:, :2] >= LEAST_SIDE).all(axis=1)
    if region is not None:
        rows, cols = np.minimum(centres[keep], size - 1).astype(np.int64).T
        keep[keep] = region[rows, cols]
    masks = None if found.masks is None else found.masks[np.flatnonzero(keep)]
    return TextBoxes(boxes[keep], found.scores[keep], masks)


def choose_boxes(found: TextBoxes, params: TextParams) -> tuple[NDArray[np.int64], MaskClasses]:
    """Choose boxes by threshold, overlap and number, phrase by phrase.

    A box belongs to the phrase that gives it the best score.

    Returns
    -------
    chosen : ndarray
        (K,) indices of boxes: phrase after phrase, best first.
    classes : MaskClasses
        Their phrases and scores.
    """
    phrases = params.text
    if not len(found.boxes):
        none = np.zeros(0, np.int64)
        scores = np.zeros(0, np.float32)
        return none, MaskClasses(phrases, none, scores, (float("nan"),) * len(phrases))
    owner, top = found.scores.argmax(axis=1), found.scores.max(axis=1)
    kept = []
    for phrase in range(len(phrases)):
        own = np.flatnonzero((owner == phrase) & (top > params.score_floor))
        best = box_nms(found.boxes[own], top[own], params.text_nms)
        kept.append(own[best][: params.max_objects])
    chosen = np.concatenate(kept).astype(np.int64)
    best_scores = tuple(found.scores.max(axis=0).astype(float).tolist())
    index = owner[chosen].astype(np.int64)
    return chosen, MaskClasses(phrases, index, top[chosen].astype(np.float32), best_scores)
