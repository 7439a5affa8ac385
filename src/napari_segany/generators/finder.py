"""Finder: all objects of a plane found in one pass, and drawn by the better of two.

A network on the image encoder's features predicts maps. A tree of regions is grown on them, the
model is asked for doubtful ones, and an estimate of the IoU decides which mask an object gets.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.core.region import check_plane_region
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.finder_crop import CropSearch, SeenCrop
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.plane_finder import choose_finder
from napari_segany.generators.point_grids import crop_layers
from napari_segany.generators.quality import quality_of
from napari_segany.generators.small_planes import (
    MOST_ENLARGED,
    continue_plane,
    cut_to_plane,
    is_small,
)
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.screening import Screen, SparseEstimate

STEPS = 100
"""Steps of a plane that are reported."""

LEAST_IOU = 0.2
"""Expected IoU below which no candidate is kept, for filtering again."""

SMALL_SIDE = 28.0
"""Median side of objects, in pixels of the frame, below which crops are searched."""

ENOUGH_SEEN = 20
"""Objects that are seen clearly in a plane from which no crop is looked at to learn their size."""

MOST_LAYERS = 2
"""Layers of crops that the size of objects can ask for."""

PLACED_AT_ONCE = 32
"""Masks of a crop that are unpacked together to be placed on the plane."""

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
        """Return the number of steps: the same on any plane, fewer for a part of it."""
        return STEPS if region is None else math.ceil(STEPS * float(region.mean()))

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

        An embedding that was made without stages is made again with them. A small plane is seen in
        two scales.
        """
        shape = (plane.shape[0], plane.shape[1])
        check_plane_region(region, shape)
        report = _Report(self.count_steps(shape, region), progress, should_stop)
        parts = [MaskSet.empty(shape)]
        if region is None or region.any():
            parts += self._search(model, plane, region, embedding, report)
        masks = MaskSet.concatenate(parts)
        # In a fixed order whatever the crops were.
        masks = masks[np.argsort(-masks.predicted_iou, kind="stable")]
        loosest = min(LEAST_IOU if refilter else np.inf, self.params.pred_iou_floor)
        masks = masks[masks.predicted_iou > loosest]
        everything = Candidates.of(
            replace(masks, candidate=np.arange(len(masks))),
            SparseEstimate.nothing(len(masks)),
            self.params,
            Screen(loosest, float("-inf"), 1.0, self.params.stability_score_offset),
        )
        report.finish()
        return everything.select()

    def _search(
        self,
        model: PromptableModel,
        plane: NDArray[np.uint8],
        region: NDArray[np.bool_] | None,
        embedding: Embedding | None,
        report: "_Report",
    ) -> Iterator[MaskSet]:
        """Yield the candidates of the plane, and those of crops if its objects are small.

        Those of a small plane are also searched for at a smaller scale.
        """
        shape = (plane.shape[0], plane.shape[1])
        if embedding is None or not embedding.stages:
            embedding = model.embed(plane, stages=True, should_stop=report.should_stop)
        finder = choose_finder(model, self.params, embedding)
        quality = quality_of(finder)
        search = CropSearch(model, finder, quality, self.params, report.should_stop)
        whole = search.look(plane, embedding)
        # Most of the memory of an embedding, and not needed any more.
        del embedding
        side = whole.maps.frame.side
        boxes = self._crops(shape, self._median_side(search, plane, whole), side)
        whole_only = self.params.crop_n_layers or self.params.fill_frame
        small = not whole_only and is_small(shape, side)
        report.parts = 1 + len(boxes) + small
        yield search.find_masks(whole, region, report.part(0))
        del whole
        if small:
            within = None if region is None else continue_plane(region, side)
            seen = search.look(continue_plane(plane, side))
            yield cut_to_plane(search.find_masks(seen, within, report.part(1)), shape)
        for number, box in enumerate(boxes, 1):
            window = slice(box[0], box[2]), slice(box[1], box[3])
            inside = None if region is None else region[window]
            if inside is None or inside.any():
                # Nothing of a crop is held while the next one is embedded.
                found = search.find_masks(search.look(plane[window]), inside, report.part(number))
                yield _place(found, box, shape)
                del found

    def _median_side(self, search: CropSearch, plane: NDArray[np.uint8], whole: SeenCrop) -> float:
        """Return the median side of objects in pixels of the frame, checked in a crop if need be.

        Tiny objects side by side can look like few large ones, which one crop tells apart.
        """
        side, frame = whole.median_side, whole.maps.frame
        enlarged = frame.side / max(frame.shape)
        asked = self.params.crop_n_layers is None
        clear = whole.clear_objects >= ENOUGH_SEEN
        if not asked or clear or layers_for(side, enlarged) or not most_layers(enlarged):
            return side
        planned = crop_layers(frame.shape, 1, self.params.crop_overlap_ratio)
        boxes = [box for layer, box in planned if layer == 1]
        cells = np.array(whole.maps.shape * 2) / (frame.shape * 2)

        def fullness(box: tuple[int, int, int, int]) -> float:
            a, b, c, d = np.rint(box * cells).astype(np.int64).tolist()
            return float(whole.maps.foreground[a : c + 1, b : d + 1].mean())

        a, b, c, d = max(boxes, key=fullness)
        crop = search.look(plane[a:c, b:d])
        in_crop = crop.median_side * max(crop.maps.frame.shape) / max(frame.shape)
        return in_crop if layers_for(in_crop, enlarged) else side

    def _crops(
        self, shape: tuple[int, int], side: float, frame: int
    ) -> list[tuple[int, int, int, int]]:
        layers = self.params.crop_n_layers
        if layers is None:
            layers = layers_for(side, frame / max(shape))
        planned = crop_layers(shape, layers, self.params.crop_overlap_ratio)
        # Every layer sees all objects; the last one sees small ones best.
        return [box for layer, box in planned if layer == layers and layer > 0]


def layers_for(side: float, enlarged: float) -> int:
    """Return the layers of crops for small objects of a plane.

    Parameters
    ----------
    side : float
        Median side of the objects in pixels of the frame, 0 if there is none.
    enlarged : float
        Pixels of the frame for each pixel of the plane. A plane that is enlarged a lot has nothing
        more to show in crops, and tiny regions in it are noise.
    """
    if not 0 < side < SMALL_SIDE:
        return 0
    return min(math.ceil(math.log2(SMALL_SIDE / side)), most_layers(enlarged))


def most_layers(enlarged: float) -> int:
    """Return the layers of crops that a plane can have by the size of its objects."""
    if enlarged >= MOST_ENLARGED:
        return 0
    return min(math.floor(math.log2(MOST_ENLARGED / enlarged)), MOST_LAYERS)


def _place(found: MaskSet, box: tuple[int, int, int, int], shape: tuple[int, int]) -> MaskSet:
    """Return masks of a crop on the plane, without those that the crop's border cuts."""
    boxes = found.boxes + np.array(box[:2] * 2)
    near_crop = np.abs(boxes - np.array(box)) <= CUT_MARGIN
    near_plane = np.abs(boxes - np.array([0, 0, *shape])) <= CUT_MARGIN
    whole = np.flatnonzero(~(near_crop & ~near_plane).any(axis=1)).tolist()
    parts = [MaskSet.empty(shape)]
    for start in range(0, len(whole), PLACED_AT_ONCE):
        few = whole[start : start + PLACED_AT_ONCE]
        parts.append(
            MaskSet.from_crops(
                shape,
                [found.crop(i) for i in few],
                [(int(boxes[i, 0]), int(boxes[i, 1])) for i in few],
                predicted_iou=found.predicted_iou[few],
                stability_score=found.stability_score[few],
                points=found.points[few] + np.array(box[:2]),
            )
        )
    return replace(MaskSet.concatenate(parts), prompts_asked=found.prompts_asked)


class _Report:
    """Progress over the parts of a plane, in steps of all."""

    def __init__(
        self, steps: int, progress: Progress | None, should_stop: ShouldStop | None
    ) -> None:
        self.steps, self.progress, self.should_stop = steps, progress, should_stop
        self.parts, self._done = 1, 0

    def part(self, number: int) -> Callable[[float], None]:
        """Return a function that takes the fraction of part ``number`` that is done."""

        def advance(fraction: float) -> None:
            check(self.should_stop)
            done = int(self.steps * (number + min(fraction, 1.0)) / self.parts)
            self._advance(min(done, self.steps - 1))

        return advance

    def finish(self) -> None:
        """Report all steps."""
        check(self.should_stop)
        self._advance(self.steps)

    def _advance(self, done: int) -> None:
        if done > self._done:
            self._done = done
            if self.progress is not None:
                self.progress(done, self.steps)
