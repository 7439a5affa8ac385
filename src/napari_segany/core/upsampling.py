"""From low-resolution logits to the masks of a plane, each drawn within its own box."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.geometry import PlaneFrame

SMALL = 256
"""Low-resolution cells below which stability at low resolution says too little."""

LOW_RES_MARGIN = 0.02
"""Stability at low resolution and in the plane's pixels differ by less; measured: 0.01."""


ShareOut = Callable[[Callable[[int], Any], list[int]], list[Any]]


@dataclass(frozen=True)
class DrawnMasks:
    """K masks, each on the part of the plane that it can reach.

    Attributes
    ----------
    kept : ndarray
        (K,) which of the masks that were to be drawn these are.
    masks : list of ndarray
        Boolean, of any size, also empty.
    origins : list of tuple of int
        Row and column in the plane of each one's first pixel.
    stability_score : ndarray
        (K,) float32, 0 for masks without a pixel.
    stability_at_most : ndarray
        (K,) float32, what was known of it before the masks were drawn.
    """

    kept: NDArray[np.intp]
    masks: list[NDArray[np.bool_]]
    origins: list[tuple[int, int]]
    stability_score: NDArray[np.float32]
    stability_at_most: NDArray[np.float32]


def stability(logits: Tensor, offset: float) -> Tensor:
    """IoU of the masks at logits above ``offset`` and above ``-offset``; NaN for empty masks.

    Parameters
    ----------
    logits : Tensor
        (..., H, W).
    offset : float
        Logits either side of the mask's threshold of 0.
    """
    inner = (logits > offset).sum(dim=(-2, -1), dtype=torch.int32)
    outer = (logits > -offset).sum(dim=(-2, -1), dtype=torch.int32)
    return inner / outer


def draw(
    logits: Tensor,
    frame: PlaneFrame,
    offset: float,
    at_least: float = float("-inf"),
    screened: bool = False,
    share_out: ShareOut | None = None,
) -> DrawnMasks:
    """Draw K masks on a plane.

    Pixels, and so stability and boxes, are those of masks enlarged to the whole plane, but only
    the neighbourhood of each mask is ever computed.

    Parameters
    ----------
    logits : Tensor
        (K, m, m) float32 in the model's frame.
    frame : PlaneFrame
        The place of the plane in it.
    offset : float
        Logits either side of the mask's threshold that stability compares.
    at_least : float
        Masks less stable than this are left out.
    screened : bool
        Leave out large masks that are unstable at low resolution before they are drawn.
    share_out : callable, optional
        Like ``map``, in several threads.
    """
    h, w = frame.cells_used(logits.shape[-1])
    used = logits[:, :h, :w]
    at_most = np.full(len(logits), np.inf, np.float32)
    if screened:
        large = ((used > -offset).sum(dim=(1, 2), dtype=torch.int32) >= SMALL).cpu().numpy()
        at_most[large] = stability(used, offset).cpu().numpy()[large] + LOW_RES_MARGIN
    floor = np.float32(at_least)

    compare = _compare_here if logits.device.type == "cpu" else _compare_there

    def draw_one(i: int) -> tuple[int, NDArray[np.bool_], tuple[int, int], np.float32] | None:
        # No pixel beyond these cells is above -offset, so nothing that is counted lies there.
        rows, cols = frame.pixels_of(cells[i], logits.shape[-1])
        mask = np.zeros((rows.stop - rows.start, cols.stop - cols.start), bool)
        inner = outer = 0
        for part, pixels in frame.strips_within(logits[i], cells[i]):
            more = compare(pixels, offset, out=mask[:, part])
            inner, outer = inner + more[0], outer + more[1]
        # In float32, as bounds are compared with scores everywhere.
        score = np.float32(inner) / np.float32(max(outer, 1))
        return (i, mask, (rows.start, cols.start), score) if score >= floor else None

    cells = _cells_above(used, -offset)
    able = np.flatnonzero(at_most >= at_least).tolist()
    tried = share_out(draw_one, able) if share_out else map(draw_one, able)
    drawn = [each for each in tried if each is not None]
    kept, masks, origins, scores = map(list, zip(*drawn, strict=True)) if drawn else ([],) * 4
    indices = np.asarray(kept, np.intp)
    return DrawnMasks(indices, masks, origins, np.asarray(scores, np.float32), at_most[indices])


def _compare_here(pixels: Tensor, offset: float, out: NDArray[np.bool_]) -> tuple[int, int]:
    """Write the pixels above 0 and return the numbers of those above ``offset`` and ``-offset``.

    NumPy counts several times quicker than torch on a CPU.
    """
    values = pixels.numpy()
    np.greater(values, 0, out=out)
    return int(np.count_nonzero(values > offset)), int(np.count_nonzero(values > -offset))


def _compare_there(pixels: Tensor, offset: float, out: NDArray[np.bool_]) -> tuple[int, int]:
    """Do as :func:`_compare_here` does on the device of the pixels.

    One byte a pixel is copied from it instead of four, and the CPU counts nothing.
    """
    above = [(pixels > bound).sum(dtype=torch.int32) for bound in (offset, -offset)]
    out[:] = (pixels > 0).cpu().numpy()
    inner, outer = torch.stack(above).tolist()
    return inner, outer


def _cells_above(logits: Tensor, bound: float) -> list[tuple[int, int, int, int]]:
    """Half-open box of the cells above ``bound`` in each of (K, h, w) logits, zeros if none is."""
    above = logits > bound
    size = above.shape[1:]
    rows, cols = above.any(dim=2).cpu().numpy(), above.any(dim=1).cpu().numpy()
    boxes = np.stack(
        [
            rows.argmax(axis=1),
            cols.argmax(axis=1),
            size[0] - rows[:, ::-1].argmax(axis=1),
            size[1] - cols[:, ::-1].argmax(axis=1),
        ],
        axis=1,
    )
    boxes[~rows.any(axis=1)] = 0
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in boxes]
