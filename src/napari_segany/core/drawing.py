"""From low-resolution logits to the masks of a plane, each drawn within its own box."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.geometry import Frame


@dataclass(frozen=True)
class Drawn:
    """K masks, each on the part of the plane that it can reach.

    Attributes
    ----------
    masks : list of ndarray
        Boolean, of any size, also empty.
    origins : list of tuple of int
        Row and column in the plane of each one's first pixel.
    stability_score : ndarray
        (K,) float32, 0 for masks without a pixel.
    """

    masks: list[NDArray[np.bool_]]
    origins: list[tuple[int, int]]
    stability_score: NDArray[np.float32]


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


def draw(logits: Tensor, frame: Frame, offset: float) -> Drawn:
    """Draw K masks on a plane.

    Pixels, and so stability and boxes, are those of masks enlarged to the whole plane, but only
    the neighbourhood of each mask is ever computed.

    Parameters
    ----------
    logits : Tensor
        (K, m, m) float32 in the model's frame.
    frame : Frame
        How the plane lies in it.
    offset : float
        Logits either side of the mask's threshold that stability compares.
    """
    masks, origins = [], []
    scores = np.zeros(len(logits), np.float32)
    for i, cells in enumerate(_cells_above(logits, -offset, frame)):
        # No pixel beyond these is above -offset, so nothing that is counted lies there.
        pixels, origin = frame.enlarge_within(logits[i], cells)
        masks.append((pixels > 0).cpu().numpy())
        origins.append(origin)
        scores[i] = stability(pixels, offset).nan_to_num(0)
    return Drawn(masks, origins, scores)


def _cells_above(logits: Tensor, bound: float, frame: Frame) -> list[tuple[int, int, int, int]]:
    """Half-open box of the cells above ``bound`` in each of (K, m, m) logits, zeros if none is.

    Cells of the frame's padding are left out.
    """
    size = frame.cells_used(logits.shape[-1])
    above = logits[:, : size[0], : size[1]] > bound
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
