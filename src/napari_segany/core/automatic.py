"""Automatic segmentation: ask at a grid of points, keep what is confident, stable and new.

Kirillov et al., "Segment Anything" (ICCV 2023), appendix B; parameters and rules are those of
the reference implementation's automatic mask generator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.drawing import draw
from napari_segany.core.geometry import Frame
from napari_segany.core.grids import crop_layers, point_grid
from napari_segany.core.labels import drop_small_specks, fill_small_holes
from napari_segany.core.masks import MaskSet
from napari_segany.core.parameters import AutomaticParams
from napari_segany.errors import InputError

EDGE_TOLERANCE = 20.0
"""Pixels within which a box counts as touching the border of its crop."""


@dataclass(frozen=True)
class Answers:
    """K candidate masks in the model's frame.

    Attributes
    ----------
    points : ndarray
        (K, 2) row, column in the crop of the point each answers.
    predicted_iou : Tensor
        (K,) float32.
    logits : Tensor
        (K, m, m) float32.
    """

    points: NDArray[np.float64]
    predicted_iou: Tensor
    logits: Tensor


class EmbeddedCrop(Protocol):
    """One crop of the plane that has been through the image encoder."""

    @property
    def frame(self) -> Frame:
        """How the crop lies in the model's frame."""
        ...

    def ask_points(
        self, points: NDArray[np.float64], bound: float, finish: "Callable[[Answers], Result]"
    ) -> "list[Result]":
        """Ask at (P, 2) row, column in the crop, in groups.

        ``finish`` is given the candidates of each group whose predicted IoU exceeds ``bound``, maybe
        in several threads; what it returns is listed in the order of the points.
        """
        ...


Result = TypeVar("Result")

EmbedCrop = Callable[[NDArray[np.uint8]], EmbeddedCrop]


@dataclass(frozen=True)
class _Crop:
    """A crop with its place in the plane and the points to ask at, row, column in the crop."""

    box: tuple[int, int, int, int]
    points: NDArray[np.float64]

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.box[0], self.box[2]), slice(self.box[1], self.box[3])


def _plan(
    shape: tuple[int, int], params: AutomaticParams, region: NDArray[np.bool_] | None
) -> list[_Crop]:
    """All crops that have points to ask at."""
    planned = []
    for layer, box in crop_layers(shape, params.crop_n_layers, params.crop_overlap_ratio):
        size = np.array([box[2] - box[0], box[3] - box[1]], np.float64)
        if params.point_grids is not None:
            grid = np.asarray(params.point_grids[layer], np.float64).reshape(-1, 2)
        else:
            per_side = int(params.points_per_side / params.crop_n_points_downscale_factor**layer)
            grid = point_grid(max(per_side, 1))
        points = grid * size
        if region is not None:
            pixel = np.rint(points + box[:2]).astype(np.int64)
            pixel = np.minimum(pixel, np.asarray(shape) - 1)
            points = points[region[pixel[:, 0], pixel[:, 1]]]
        if len(points):
            planned.append(_Crop(box, points))
    return planned


def count_points(
    shape: tuple[int, int], params: AutomaticParams, region: NDArray[np.bool_] | None = None
) -> int:
    """Number of points that :func:`generate` asks at in a plane of ``shape`` (H, W)."""
    return sum(len(crop.points) for crop in _plan(shape, params, region))


def _touches_crop_only(
    boxes: NDArray[np.int64], crop: tuple[int, int, int, int], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Boxes near a border of their crop that is not a border of the plane: cut objects."""
    near_crop = np.abs(boxes - np.asarray(crop)) <= EDGE_TOLERANCE
    near_plane = np.abs(boxes - np.array([0, 0, *shape])) <= EDGE_TOLERANCE
    touching: NDArray[np.bool_] = (near_crop & ~near_plane).any(axis=1)
    return touching


def _answer_batch(
    embedded: EmbeddedCrop,
    points: NDArray[np.float64],
    crop: _Crop,
    shape: tuple[int, int],
    params: AutomaticParams,
) -> MaskSet:
    """Ask at some points of a crop and keep the confident and stable answers."""

    def finish(answers: Answers) -> MaskSet:
        drawn = draw(answers.logits, embedded.frame, params.stability_score_offset)
        kept = np.flatnonzero(drawn.stability_score >= params.stability_floor)
        return MaskSet.from_crops(
            embedded.frame.shape,
            [drawn.masks[i] for i in kept],
            [drawn.origins[i] for i in kept],
            predicted_iou=answers.predicted_iou.cpu().numpy()[kept],
            stability_score=drawn.stability_score[kept],
            points=answers.points[kept],
        )

    parts = embedded.ask_points(points, params.pred_iou_floor, finish)
    found = MaskSet.concatenate(parts).placed(crop.box, shape)
    return found[~_touches_crop_only(found.inclusive_boxes, crop.box, shape)]


def _clean_regions(found: MaskSet, params: AutomaticParams) -> MaskSet:
    """Fill small holes, drop small specks, and suppress what became a duplicate by that."""
    cleaned, untouched = [], []
    for i in range(len(found)):
        before = found.mask(i)
        after = fill_small_holes(before, params.min_mask_region_area)
        after = drop_small_specks(after, params.min_mask_region_area)
        cleaned.append(MaskSet.from_masks(after[None]))
        untouched.append(np.array_equal(before, after))
    if not cleaned:
        return found
    redone = found.with_masks(MaskSet.concatenate(cleaned))
    # Masks that needed no repair win over those that did.
    scores = np.asarray(untouched, np.float32)
    return redone.nms(max(params.box_nms_thresh, params.crop_nms_thresh), params.nms, scores)


def generate(
    rgb: NDArray[np.uint8],
    embed: EmbedCrop,
    params: AutomaticParams,
    region: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> MaskSet:
    """Find everything in a plane.

    Parameters
    ----------
    rgb : ndarray
        (H, W, 3) uint8.
    embed : callable
        Runs the image encoder on a crop of ``rgb``.
    params : AutomaticParams
        With thresholds filled in (``params.resolved(...)``).
    region : ndarray, optional
        (H, W) boolean; points are asked only inside it.
    progress : callable, optional
        Called with points done and points in all.
    should_stop : callable, optional
        Polled between batches of points.

    Returns
    -------
    MaskSet
        Best predicted IoU first within a crop; smaller crops first.

    Raises
    ------
    InputError
        If ``region`` has another shape than the plane.
    Cancelled
        If ``should_stop`` returned True.
    """
    shape = (rgb.shape[0], rgb.shape[1])
    if region is not None and region.shape != shape:
        raise InputError(f"The region has shape {region.shape} but the plane has shape {shape}.")
    crops = _plan(shape, params, region)
    total, done = sum(len(crop.points) for crop in crops), 0
    per_crop = []
    for crop in crops:
        embedded = embed(rgb[crop.slices])
        batches = []
        for start in range(0, len(crop.points), params.points_per_batch):
            check(should_stop)
            points = crop.points[start : start + params.points_per_batch]
            batches.append(_answer_batch(embedded, points, crop, shape, params))
            done += len(points)
            if progress is not None:
                progress(done, total)
        per_crop.append(MaskSet.concatenate(batches).nms(params.box_nms_thresh, params.nms))
    if not per_crop:
        return MaskSet.empty(shape)
    found = MaskSet.concatenate(per_crop)
    if len(per_crop) > 1:
        sides = found.crop_boxes[:, 2:] - found.crop_boxes[:, :2]
        found = found.nms(params.crop_nms_thresh, params.nms, 1 / sides.prod(axis=1))
    if params.min_mask_region_area > 0:
        found = _clean_regions(found, params)
    # Without thresholds a mask can be empty; nobody wants those.
    return found.filter(
        min_area=max(params.min_area or 0, 1),
        max_area=int(params.max_area_fraction * rgb[..., 0].size),
    )
