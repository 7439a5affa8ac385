"""Screening of candidates by a sparse estimate, before their masks are computed in full.

Most candidates of a grid of points are unstable, or cover the whole plane. One image token in
thirteen bounds stability and area closely enough to leave those out before their masks are made.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.geometry import Frame

MARGINS = ((120, 0.18), (250, 0.07), (1000, 0.04))
"""Pairs of (sampled pixels, margin): from so many on, stability is so close to the estimate.

Half again the largest error that masks of stability 0.85 or more showed on nuclei, cells, tissue
and photographs; smaller masks are not judged.
"""

AREA_MARGIN = 0.03
"""Margin of the fraction of the plane that a mask covers; tokens at its border lie half out."""


@dataclass(frozen=True)
class Screen:
    """Bounds that a candidate has to pass to be computed in full.

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
    sparse : bool
        True to estimate stability and area too; false to test the predicted IoU only.
    """

    pred_iou: float
    stability: float
    max_area: float
    offset: float
    sparse: bool = True


@dataclass(frozen=True)
class SparseEstimate:
    """Bounds on stability and area of K candidates, from a sparse sample of pixels.

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
    def nothing(cls, count: int) -> "SparseEstimate":
        """Return bounds that exclude nothing."""
        return cls(np.full(count, np.inf, np.float32), np.full(count, -np.inf, np.float32))

    @classmethod
    def of(cls, logits: Tensor, offset: float) -> "SparseEstimate":
        """Estimate from (K, 16, n) logits at :func:`sampled_tokens`."""
        count = logits.shape[1] * logits.shape[2]
        outer = (logits > -offset).sum(dim=(1, 2), dtype=torch.int32).cpu().numpy()
        inner = (logits > offset).sum(dim=(1, 2), dtype=torch.int32).cpu().numpy()
        area = (logits > 0).sum(dim=(1, 2), dtype=torch.int32).cpu().numpy() / max(count, 1)
        at_most = np.full(len(outer), np.inf, np.float32)
        for pixels, margin in MARGINS:
            judged = outer >= pixels
            at_most[judged] = inner[judged] / outer[judged] + margin
        return cls(at_most, (area - AREA_MARGIN).astype(np.float32))

    def and_stability(self, at_most: NDArray[np.float32]) -> "SparseEstimate":
        """Return the estimate with another (K,) upper bound on stability."""
        return SparseEstimate(np.minimum(self.stability_at_most, at_most), self.area_at_least)

    def passes(self, stability: float, max_area: float) -> NDArray[np.bool_]:
        """Return (K,) true for masks that can be as stable and as small as that."""
        able: NDArray[np.bool_] = (self.stability_at_most >= stability) & (
            self.area_at_least <= max_area
        )
        return able

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> "SparseEstimate":
        return SparseEstimate(self.stability_at_most[index], self.area_at_least[index])


FEWEST = 64
"""Sampled tokens below which all are used: narrow planes have few, and margins would not hold."""

REACH = 4
"""Tokens around the sampled part of a mask that may belong to it, too; the lattice's holes are
three tokens wide."""

BESIDE = 0.25
"""Fraction of a box's side by which its object may extend beyond it, beside a token."""

LOCAL = 0.4
"""Fraction of all tokens above which a mask is computed everywhere."""


def regions(
    logits: Tensor, tokens: Tensor, grid: int, offset: float
) -> list[tuple[int, int, int, int] | None]:
    """Return the half-open box of (grid, grid) tokens in which each mask lies; None for anywhere.

    Parameters
    ----------
    logits : Tensor
        (K, 16, n) at the sampled ``tokens`` (n,).
    """
    above = (logits > -offset).any(dim=1).cpu().numpy()
    row, col = tokens.cpu().numpy() // grid, tokens.cpu().numpy() % grid
    found: list[tuple[int, int, int, int] | None] = []
    for mask in above:
        if not mask.any():
            found.append(None)
            continue
        a, c = int(row[mask].min()) - REACH, int(row[mask].max()) + REACH + 1
        b, d = int(col[mask].min()) - REACH, int(col[mask].max()) + REACH + 1
        box = max(a, 0), max(b, 0), min(c, grid), min(d, grid)
        small = (box[2] - box[0]) * (box[3] - box[1]) < LOCAL * grid * grid
        found.append(box if small else None)
    return found


def around(
    boxes: NDArray[np.floating], side: int, grid: int
) -> list[tuple[int, int, int, int] | None]:
    """Return the box of (grid, grid) tokens for the object of each (K, 4) box; None for anywhere.

    Parameters
    ----------
    boxes : ndarray
        x0, y0, x1, y1 in a frame of ``side`` pixels.
    """
    token = side / grid
    found: list[tuple[int, int, int, int] | None] = []
    for x0, y0, x1, y1 in boxes.tolist():
        across, down = BESIDE * (x1 - x0) + token, BESIDE * (y1 - y0) + token
        box = (
            max(int((y0 - down) / token), 0),
            max(int((x0 - across) / token), 0),
            min(int((y1 + down) / token) + 1, grid),
            min(int((x1 + across) / token) + 1, grid),
        )
        small = (box[2] - box[0]) * (box[3] - box[1]) < LOCAL * grid * grid
        found.append(box if small else None)
    return found


def leaves(logits: Tensor, box: tuple[int, int, int, int], grid: int, offset: float) -> bool:
    """Tell if a mask reaches the border of its region, and so maybe beyond.

    ``logits`` (h, w) are those of the region ``box``, at four cells a token.
    """
    a, b, c, d = box
    sides = [
        logits[0] if a > 0 else None,
        logits[-1] if c < grid else None,
        logits[:, 0] if b > 0 else None,
        logits[:, -1] if d < grid else None,
    ]
    return any(bool((side > -offset).any()) for side in sides if side is not None)


@lru_cache(maxsize=16)
def sampled_tokens(frame: Frame, grid: int) -> Tensor:
    """Return (n,) int64 every thirteenth token of a (grid, grid) embedding that sees the plane.

    They lie on a slanted lattice, so that no row, column or diagonal of tokens is left out.
    """
    rows, cols = (-(-n // 4) for n in frame.cells_used(4 * grid))
    row, col = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    inside = (row < rows) & (col < cols)
    chosen = ((row + 5 * col) % 13 == 0) & inside
    if int(chosen.sum()) < FEWEST:
        chosen = inside
    return torch.nonzero(chosen.flatten()).flatten()
