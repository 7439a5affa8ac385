"""Finder: all objects of a plane found in one pass, and drawn by the better of two.

A network on the image encoder's features predicts maps. A tree of regions is grown on them, the
model is asked for each good region, and an estimate of the IoU decides which mask an object gets.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.finder_crop import CropSearch
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.point_grids import crop_layers
from napari_segany.generators.quality import Quality
from napari_segany.models.finder import FinderModel, find_finder
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.screening import Screen, SparseEstimate

STEPS = 100
"""Steps of a plane that are reported."""

LEAST_IOU = 0.2
"""Expected IoU below which no candidate is kept, for filtering again."""

SMALL_SIDE = 28.0
"""Median side of objects, in pixels of the frame, below which crops are searched."""

MOST_LAYERS = 2
"""Layers of crops that the size of objects can ask for."""

CUT_MARGIN = 2
"""Pixels within which a mask counts as touching the border of its crop."""


@dataclass(frozen=True)
class FinderGenerator:
    """Generator that finds objects with a finder.

    Attributes
    ----------
    params : FinderParams
        With everything filled in (``params.resolved_for(model)``).
    """

    params: FinderParams

    def count_steps(self, shape: tuple[int, int], region: NDArray[np.bool_] | None = None) -> int:
        """Return the number of steps that are reported on any plane."""
        return STEPS

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

        An embedding that was made without stages is made again with them.
        """
        shape = (plane.shape[0], plane.shape[1])
        if region is not None and region.shape != shape:
            raise InputError(
                f"The region has shape {region.shape} but the plane has shape {shape}."
            )
        finder = _finder_of(model, self.params)
        report = _Report(progress, should_stop)
        search = CropSearch(model, finder, _quality_of(finder), self.params, should_stop)
        whole = search.look(plane, embedding)
        boxes = self._crops(shape, whole.median_side)
        report.crops = 1 + len(boxes)
        parts = [search.find_masks(whole, plane, region, report.part(0))]
        del whole
        for number, box in enumerate(boxes, 1):
            window = slice(box[0], box[2]), slice(box[1], box[3])
            inside = None if region is None else region[window]
            if inside is not None and not inside.any():
                report.part(number)(1.0)
                continue
            seen = search.look(plane[window])
            found = search.find_masks(seen, plane[window], inside, report.part(number))
            parts.append(_place(found, box, shape))
        masks = MaskSet.concatenate(parts)
        # In a fixed order whatever the crops were.
        masks = masks[np.argsort(-masks.predicted_iou, kind="stable")]
        loosest = LEAST_IOU if refilter else self.params.pred_iou_floor
        masks = masks[masks.predicted_iou > min(loosest, self.params.pred_iou_floor)]
        screen = Screen(
            min(loosest, self.params.pred_iou_floor),
            float("-inf"),
            self.params.max_area_fraction,
            self.params.stability_score_offset,
        )
        everything = Candidates.of(
            replace(masks, candidate=np.arange(len(masks))),
            SparseEstimate.nothing(len(masks)),
            self.params,
            screen,
        )
        report.finish()
        return everything.select()

    def _crops(self, shape: tuple[int, int], side: float) -> list[tuple[int, int, int, int]]:
        layers = self.params.crop_n_layers
        if layers is None:
            layers = layers_for(side)
        planned = crop_layers(shape, layers, self.params.crop_overlap_ratio)
        # Every layer sees all objects; the last one sees small ones best.
        return [box for layer, box in planned if layer == layers and layer > 0]


def layers_for(side: float) -> int:
    """Return the layers of crops for objects of a median side in pixels of the frame."""
    if not 0 < side < SMALL_SIDE:
        return 0
    return min(math.ceil(math.log2(SMALL_SIDE / side)), MOST_LAYERS)


def _place(found: MaskSet, box: tuple[int, int, int, int], shape: tuple[int, int]) -> MaskSet:
    """Return masks of a crop on the plane, without those that the crop's border cuts."""
    boxes = found.boxes + np.array(box[:2] * 2)
    near_crop = np.abs(boxes - np.array(box)) <= CUT_MARGIN
    near_plane = np.abs(boxes - np.array([0, 0, *shape])) <= CUT_MARGIN
    whole = np.flatnonzero(~(near_crop & ~near_plane).any(axis=1)).tolist()
    return MaskSet.from_crops(
        shape,
        [found.crop(i) for i in whole],
        [(int(boxes[i, 0]), int(boxes[i, 1])) for i in whole],
        predicted_iou=found.predicted_iou[whole],
        stability_score=found.stability_score[whole],
        points=found.points[whole] + np.array(box[:2]),
    )


def _finder_of(model: PromptableModel, params: FinderParams) -> FinderModel:
    finder = find_finder(model, params.finder)
    if finder is None:
        raise InputError(
            f"No finder for {model.id} is installed; use the strategy 'grid', or train one."
        )
    return finder


@lru_cache(maxsize=8)
def _read_quality(finder: FinderModel) -> Quality:
    return Quality.from_dict(finder.card.quality)


def _quality_of(finder: FinderModel) -> Quality:
    return _read_quality(finder)


class _Report:
    """Progress over the parts of a plane, in steps of all."""

    def __init__(self, progress: Progress | None, should_stop: ShouldStop | None) -> None:
        self.progress, self.should_stop = progress, should_stop
        self.crops, self._done = 1, 0

    def part(self, number: int) -> Callable[[float], None]:
        """Return a function that takes the fraction of part ``number`` that is done."""

        def advance(fraction: float) -> None:
            check(self.should_stop)
            done = int(STEPS * (number + min(fraction, 1.0)) / self.crops)
            self._advance(min(done, STEPS - 1))

        return advance

    def finish(self) -> None:
        """Report all steps."""
        self._advance(STEPS)

    def _advance(self, done: int) -> None:
        if done > self._done:
            self._done = done
            if self.progress is not None:
                self.progress(done, STEPS)
