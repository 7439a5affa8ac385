"""Automatic segmentation: ask at a grid of points, keep what is confident, stable and new.

Kirillov et al., "Segment Anything" (ICCV 2023), appendix B; parameters and rules are those of
the reference implementation's automatic mask generator.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.core.upsampling import draw
from napari_segany.errors import InputError
from napari_segany.generators.adaptive import coarse, found_small, select_points
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.point_grids import crop_layers, point_grid
from napari_segany.models.protocol import EmbeddedCrop, PointCandidates
from napari_segany.models.screening import Screen, SparseEstimate

EDGE_TOLERANCE = 20.0
"""Pixels within which a box counts as touching the border of its crop."""


PRED_IOU_KEPT, STABILITY_KEPT = 0.08, 0.10
"""How far below the thresholds candidates are kept, so that a set can be filtered again."""

EmbedCrop = Callable[[NDArray[np.uint8]], EmbeddedCrop]


@dataclass(frozen=True)
class _Crop:
    """A crop with its place in the plane and the points to ask at, row, column in the crop."""

    box: tuple[int, int, int, int]
    points: NDArray[np.float64]
    coarse: NDArray[np.bool_]

    @property
    def area(self) -> int:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

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
        asked_first = np.ones(len(grid), bool)
        if params.strategy == "adaptive":
            asked_first = coarse(max(per_side, 1))
        points = grid * size
        if region is not None:
            pixel = np.rint(points + box[:2]).astype(np.int64)
            pixel = np.minimum(pixel, np.asarray(shape) - 1)
            inside = region[pixel[:, 0], pixel[:, 1]]
            points, asked_first = points[inside], asked_first[inside]
        if len(points):
            planned.append(_Crop(box, points, asked_first))
    return planned


def count_points(
    shape: tuple[int, int], params: AutomaticParams, region: NDArray[np.bool_] | None = None
) -> int:
    """Number of points that :func:`generate` asks at, at most, in a plane of ``shape`` (H, W)."""
    return sum(len(crop.points) for crop in _plan(shape, params, region))


def _touches_crop_only(
    boxes: NDArray[np.int64], crop: tuple[int, int, int, int], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Boxes near a border of their crop that is not a border of the plane: cut objects."""
    near_crop = np.abs(boxes - np.asarray(crop)) <= EDGE_TOLERANCE
    near_plane = np.abs(boxes - np.array([0, 0, *shape])) <= EDGE_TOLERANCE
    touching: NDArray[np.bool_] = (near_crop & ~near_plane).any(axis=1)
    return touching


@dataclass(frozen=True)
class _Found:
    """Candidates of some points, in the plane."""

    masks: MaskSet
    glimpse: SparseEstimate

    @classmethod
    def concatenate(cls, parts: "Sequence[_Found]") -> "_Found":
        glimpses = [part.glimpse for part in parts]
        return cls(
            MaskSet.concatenate([part.masks for part in parts]),
            SparseEstimate(
                np.concatenate([glimpse.stability_at_most for glimpse in glimpses]),
                np.concatenate([glimpse.area_at_least for glimpse in glimpses]),
            ),
        )


class _Counter:
    """Tells how far one run is, and whether it shall end."""

    def __init__(
        self, total: int, progress: Progress | None, should_stop: ShouldStop | None
    ) -> None:
        self.done, self.total = 0, total
        self.progress, self.should_stop = progress, should_stop

    def check(self) -> None:
        check(self.should_stop)

    def add(self, points: int) -> None:
        self.done += points
        if points and self.progress is not None:
            self.progress(self.done, self.total)


@dataclass(frozen=True)
class _Asking:
    """How candidates of one crop are computed.

    Attributes
    ----------
    embedded : EmbeddedCrop
        The crop, embedded.
    crop : tuple of int
        Its box in the plane.
    shape : tuple of int
        (H, W) of the plane.
    screen : Screen
        What candidates have to pass.
    """

    embedded: EmbeddedCrop
    crop: tuple[int, int, int, int]
    shape: tuple[int, int]
    screen: Screen

    def at(self, points: NDArray[np.float64], at_once: int) -> Generator[_Found]:
        """All candidates at (P, 2) row, column in the crop, group by group."""
        yield from self.embedded.ask_points(points, at_once, self.screen, self._draw_group)

    def _draw_group(self, answers: PointCandidates) -> _Found:
        drawn = draw(
            answers.logits,
            self.embedded.frame,
            self.screen.offset,
            self.screen.stability,
            screened=self.screen.glimpse,
        )
        corner = np.array(self.crop[:2])
        masks = MaskSet.from_crops(
            self.shape,
            drawn.masks,
            [(row + self.crop[0], col + self.crop[1]) for row, col in drawn.origins],
            predicted_iou=answers.predicted_iou.cpu().numpy()[drawn.kept],
            stability_score=drawn.stability_score,
            points=answers.points[drawn.kept] + corner,
            crop_box=self.crop,
        )
        glimpse = answers.glimpse[drawn.kept].and_stability(drawn.stability_at_most)
        whole = ~_touches_crop_only(masks.inclusive_boxes, self.crop, self.shape)
        return _Found(replace(masks[whole], prompts_asked=answers.asked), glimpse[whole])


def _loosened(bound: float, by: float) -> float:
    """A bound that much lower, and no bound at all where nothing positive is left."""
    # Rounded, so that 0.9 less 0.08 is the 0.82 that a user will ask for.
    lower = round(bound - by, 9)
    return lower if lower > 0 else float("-inf")


def _screen(params: AutomaticParams, refilter: bool, faithful: bool) -> Screen:
    """Bounds on the candidates that are kept."""
    loose = refilter and not faithful
    pred_iou = _loosened(params.pred_iou_floor, PRED_IOU_KEPT * loose)
    stability = _loosened(params.stability_floor, STABILITY_KEPT * loose)
    if params.strategy == "adaptive":
        pred_iou = min(pred_iou, params.steering_pred_iou or float("-inf"))
        stability = min(stability, params.steering_stability or float("-inf"))
    return Screen(
        pred_iou=pred_iou,
        stability=stability,
        max_area=params.max_area_fraction,
        offset=params.stability_score_offset,
        glimpse=not faithful,
    )


def generate(
    rgb: NDArray[np.uint8],
    embed: EmbedCrop,
    params: AutomaticParams,
    region: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    *,
    refilter: bool = True,
    faithful: bool = False,
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
        Polled between groups of points.
    refilter : bool
        Keep candidates beyond the thresholds for :meth:`MaskSet.filter`.
    faithful : bool
        Compute every candidate in full and in the plane's pixels, as the reference does.

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
    screen = _screen(params, refilter, faithful)
    counter = _Counter(sum(len(crop.points) for crop in crops), progress, should_stop)
    parts = [_Found(MaskSet.empty(shape), SparseEstimate.nothing(0))]
    for crop in crops:
        # A mask of part of the plane may cover more of a crop.
        share = shape[0] * shape[1] / crop.area
        asking = _Asking(
            embed(rgb[crop.slices]),
            crop.box,
            shape,
            replace(screen, max_area=screen.max_area * share),
        )
        parts.append(_ask_crop(asking, crop, params, counter))
    found = _Found.concatenate(parts)
    return Candidates.of(found.masks, found.glimpse, params, screen).select()


def _ask_crop(
    asking: "_Asking", crop: _Crop, params: AutomaticParams, counter: "_Counter"
) -> _Found:
    """Everything found at the points of one crop that are asked."""
    first, rest = crop.points[crop.coarse], crop.points[~crop.coarse]
    found = _ask_at(asking, first, params, counter)
    if not len(rest):
        return found
    steering = found.masks.filter(
        pred_iou_thresh=params.steering_pred_iou,
        stability_score_thresh=params.steering_stability,
    )
    hits = found_small(steering, first + np.array(crop.box[:2]), crop.area)
    worth = select_points(asking.embedded.features_at, first, hits, rest)
    more = _ask_at(asking, rest[worth], params, counter)
    counter.add(int(np.count_nonzero(~worth)))
    return _Found.concatenate([found, more])


def _ask_at(
    asking: "_Asking", points: NDArray[np.float64], params: AutomaticParams, counter: "_Counter"
) -> _Found:
    parts = [_Found(MaskSet.empty(asking.shape), SparseEstimate.nothing(0))]
    counter.check()
    # Closed in any case, so that a run that is stopped leaves nothing running.
    with closing(asking.at(points, params.points_per_batch)) as groups:
        for found in groups:
            parts.append(found)
            counter.add(found.masks.prompts_asked)
            counter.check()
    return _Found.concatenate(parts)
