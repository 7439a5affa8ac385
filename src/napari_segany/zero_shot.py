"""The paper's zero-shot tasks: edges and object proposals, with a model that knows neither."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.edges import mask_edges, normalised, thinned
from napari_segany.core.grids import point_grid
from napari_segany.core.intensity import Limits
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import box_nms
from napari_segany.core.parameters import AutomaticParams
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.model import SamModel

EDGE_POINTS = 16
"""Points a side for edges, as in the paper."""

EDGE_NMS = 0.7
"""Overlap of boxes above which the lower-scored mask is redundant."""

MARGIN = 2
"""Cells of the low-resolution logits around a mask, so that its outer border has a slope."""

AT_ONCE = 64

PROPOSALS = AutomaticParams(
    points_per_side=64,
    pred_iou_thresh=0.0,
    stability_score_thresh=0.0,
    box_nms_thresh=0.9,
    nms="box",
    max_area_fraction=1.0,
)
"""How proposals are found: many points, no filter, little suppression, as in the paper."""

MOST_PROPOSALS = 1000


def find_edges(
    model: SamModel,
    plane: ArrayLike,
    *,
    points_per_side: int = EDGE_POINTS,
    thin: bool = True,
    limits: Limits | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.float32]:
    """An edge map of a plane, from the outlines of all masks on a grid of points.

    No mask is filtered out; of masks with nearly the same box the best-scored stays. Each gives the
    slope of its probability on its border, the strongest wins, and what is left is stretched to
    0..1 and thinned (Kirillov et al., "Segment Anything", 2023, D.2).

    Parameters
    ----------
    model : SamModel
        Who is asked.
    plane : array_like
        (H, W) or (H, W, 3).
    points_per_side : int
        Of the grid.
    thin : bool
        Leave only the crests, as benchmarks want it; else the soft map.
    limits : tuple, optional
        Intensities that become black and white.
    progress, should_stop : callable, optional
        Called with points done and in all; polled between groups of points.

    Returns
    -------
    ndarray
        (H, W) float32, 0..1.

    Raises
    ------
    InputError
        If the plane cannot be used.
    Cancelled
        If ``should_stop`` returned True.
    """
    if points_per_side < 1:
        raise InputError(f"points_per_side must be 1 or more, got {points_per_side!r}.")
    embedding = model.embed(plane, limits=limits, should_stop=should_stop)
    height, width = embedding.shape
    points = point_grid(points_per_side) * [height, width]
    parts: list[MaskSet] = []
    for start in range(0, len(points), AT_ONCE):
        check(should_stop)
        prompts = [Prompt(points=[point]) for point in points[start : start + AT_ONCE]]
        parts += model.predict(embedding, prompts, multimask=True, should_stop=should_stop)
        if progress is not None:
            progress(min(start + AT_ONCE, len(points)), len(points))
    found = MaskSet.concatenate(parts)
    kept = box_nms(found.inclusive_boxes, found.predicted_iou, EDGE_NMS)
    edges = np.zeros((height, width), np.float32)
    assert found.low_res_logits is not None
    for i in kept.tolist():
        check(should_stop)
        logits = torch.from_numpy(found.low_res_logits[i])
        rows, cols = (logits > 0).any(dim=1).nonzero(), (logits > 0).any(dim=0).nonzero()
        if not len(rows):
            continue
        h, w = embedding.frame.cells_used(logits.shape[-1])
        cells = (
            max(int(rows.min()) - MARGIN, 0),
            max(int(cols.min()) - MARGIN, 0),
            min(int(rows.max()) + 1 + MARGIN, h),
            min(int(cols.max()) + 1 + MARGIN, w),
        )
        if cells[0] >= cells[2] or cells[1] >= cells[3]:
            continue
        pixels, (top, left) = embedding.frame.enlarge_within(logits, cells)
        strength = mask_edges(pixels.numpy())
        part = edges[top : top + strength.shape[0], left : left + strength.shape[1]]
        np.maximum(part, strength[: part.shape[0], : part.shape[1]], out=part)
    edges = normalised(edges)
    return normalised(thinned(edges)) if thin else edges


def propose(
    model: SamModel,
    plane: ArrayLike,
    params: AutomaticParams = PROPOSALS,
    *,
    most: int = MOST_PROPOSALS,
    limits: Limits | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[MaskSet, NDArray[np.float32]]:
    """Masks that may be objects, the likeliest first.

    They are ranked by the mean of predicted IoU and stability (Kirillov et al., "Segment Anything",
    2023, D.3).

    Parameters
    ----------
    model : SamModel
        Who is asked.
    plane : array_like
        (H, W) or (H, W, 3).
    params : AutomaticParams
        How they are found.
    most : int
        How many are returned at most.
    limits, progress, should_stop
        As for :meth:`SamModel.generate`.

    Returns
    -------
    masks : MaskSet
        Best first.
    scores : ndarray
        (N,) float32 by which they are ranked.
    """
    found = model.generate(
        plane,
        replace(params, min_area=params.min_area or 0),
        limits=limits,
        progress=progress,
        should_stop=should_stop,
        refilter=False,
    )
    scores: NDArray[np.float32] = (found.predicted_iou + found.stability_score) / np.float32(2)
    order = np.argsort(-scores, kind="stable")[:most]
    return found[order], scores[order]
