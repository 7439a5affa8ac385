"""Which candidates are worth computing in full, told from one pixel in thirteen.

Most answers of a grid of points are unstable, or mean the whole plane. A glimpse bounds stability
and area closely enough to leave those out before their masks are made.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.geometry import Frame

MARGINS = ((120, 0.18), (250, 0.07), (1000, 0.04))
"""From so many glimpsed pixels on, stability is within so much of the estimate.

Half again the largest error that masks of stability 0.85 or more showed on nuclei, cells, tissue
and photographs; smaller masks are not judged.
"""

AREA_MARGIN = 0.03
"""The same for the fraction of the plane that a mask covers; tokens at its border lie half out."""


@dataclass(frozen=True)
class Screen:
    """What a candidate has to pass to be computed in full.

    Attributes
    ----------
    pred_iou : float
        The predicted IoU must exceed this.
    stability : float
        Stability that a mask must be able to reach.
    max_area : float
        Fraction of the crop that it must be able to stay within.
    offset : float
        Distance in logits of the two thresholds that stability compares.
    glimpse : bool
        Whether anything but the predicted IoU is looked at.
    """

    pred_iou: float
    stability: float
    max_area: float
    offset: float
    glimpse: bool = True


@dataclass(frozen=True)
class Glimpse:
    """Bounds on K candidates.

    Attributes
    ----------
    stability_at_most : ndarray
        (K,) float32, infinite for masks too small to be judged.
    area_at_least : ndarray
        (K,) float32 fraction of the crop.
    """

    stability_at_most: NDArray[np.float32]
    area_at_least: NDArray[np.float32]

    @classmethod
    def nothing(cls, count: int) -> "Glimpse":
        """Bounds that say nothing."""
        return cls(np.full(count, np.inf, np.float32), np.full(count, -np.inf, np.float32))

    @classmethod
    def of(cls, logits: Tensor, offset: float) -> "Glimpse":
        """From (K, 16, n) logits at :func:`glimpsed_tokens`."""
        count = logits.shape[1] * logits.shape[2]
        outer = (logits > -offset).sum(dim=(1, 2), dtype=torch.int32).cpu().numpy()
        inner = (logits > offset).sum(dim=(1, 2), dtype=torch.int32).cpu().numpy()
        area = (logits > 0).sum(dim=(1, 2), dtype=torch.int32).cpu().numpy() / max(count, 1)
        at_most = np.full(len(outer), np.inf, np.float32)
        for pixels, margin in MARGINS:
            judged = outer >= pixels
            at_most[judged] = inner[judged] / outer[judged] + margin
        return cls(at_most, (area - AREA_MARGIN).astype(np.float32))

    def passes(self, stability: float, max_area: float) -> NDArray[np.bool_]:
        """(K,) whether a mask can be as stable and as small as that."""
        able: NDArray[np.bool_] = (self.stability_at_most >= stability) & (
            self.area_at_least <= max_area
        )
        return able

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> "Glimpse":
        return Glimpse(self.stability_at_most[index], self.area_at_least[index])


@lru_cache(maxsize=16)
def glimpsed_tokens(frame: Frame, grid: int) -> Tensor:
    """(n,) int64 every thirteenth token of a (grid, grid) embedding, of those that see the plane.

    They lie on a slanted lattice, so that no row, column or diagonal of tokens is left out.
    """
    rows, cols = (-(-n // 4) for n in frame.cells_used(4 * grid))
    row, col = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    chosen = ((row + 5 * col) % 13 == 0) & (row < rows) & (col < cols)
    return torch.nonzero(chosen.flatten()).flatten()
