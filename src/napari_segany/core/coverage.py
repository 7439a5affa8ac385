"""Pixels of masks that other masks cover, from their overlaps instead of a picture of the plane."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps
from napari_segany.core.overlap import Overlap
from napari_segany.core.rasterize import paint_order

SharingPairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""(P,) masks, (P,) masks with which they share pixels, and (P,) how many."""


def sharing_pairs(overlaps: Overlaps, numbers: NDArray[np.integer]) -> SharingPairs:
    """Return the pairs of some masks that share pixels.

    Parameters
    ----------
    overlaps : Overlaps
        Overlaps of all masks.
    numbers : ndarray
        (n,) the masks, each once.

    Returns
    -------
    one, two : ndarray
        (P,) places in ``numbers``.
    shared : ndarray
        (P,) pixels that they share, above 0.
    """
    place = np.full(len(overlaps.boxes), -1, np.int64)
    place[numbers] = np.arange(len(numbers))
    one, two = overlaps.pairs
    chosen = np.flatnonzero((place[one] >= 0) & (place[two] >= 0))
    shared = overlaps.shared(chosen)
    chosen, shared = chosen[shared > 0], shared[shared > 0]
    return place[one[chosen]], place[two[chosen]], shared


def covered_pixels(
    masks: MaskSet,
    one: NDArray[np.integer],
    two: NDArray[np.integer],
    shared: NDArray[np.integer],
) -> NDArray[np.int64]:
    """Return (N,) the pixels of each mask that others cover.

    Parameters
    ----------
    masks : MaskSet
        N masks.
    one, two : ndarray
        (P,) masks, and what covers them.
    shared : ndarray
        (P,) pixels that both of a pair share.
    """
    covered = np.bincount(one, shared, len(masks)).astype(np.int64)
    several = np.flatnonzero(np.bincount(one, minlength=len(masks)) > 1)
    # Masks that cover the same one may overlap each other, too: only these are looked at.
    order = np.argsort(one, kind="stable")
    starts, ends = (np.searchsorted(one[order], several, side) for side in ("left", "right"))
    for number, start, end in zip(several.tolist(), starts, ends, strict=True):
        a, b, c, d = masks.boxes[number].tolist()
        union = np.zeros((c - a, d - b), bool)
        for other in two[order[start:end]].tolist():
            e, f, g, h = masks.boxes[other].tolist()
            rows, cols = slice(max(a, e), min(c, g)), slice(max(b, f), min(d, h))
            part = masks.crop(other)[rows.start - e : rows.stop - e, cols.start - f : cols.stop - f]
            union[rows.start - a : rows.stop - a, cols.start - b : cols.stop - b] |= part
        covered[number] = np.count_nonzero(union & masks.crop(number))
    return covered


def painted_masks(
    masks: MaskSet,
    pairs: SharingPairs,
    overlap: Overlap = "small_on_top",
    min_area: int = 0,
    min_visible: float = 0.1,
    order_by: MaskSet | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which masks become objects of labels, without painting the plane.

    Parameters
    ----------
    masks : MaskSet
        The masks.
    pairs : tuple
        Those that share pixels, as :func:`sharing_pairs` returns them.
    overlap, min_area, min_visible
        As for :func:`napari_segany.core.rasterize.paint`.
    order_by : MaskSet, optional
        The masks before they were cleaned, whose area says which lies on top.

    Returns
    -------
    order : ndarray
        (n,) the masks that are painted, from the bottom to the top.
    source : ndarray
        (n,) the same in the order of ``masks``, as :func:`paint` returns them.
    """
    before = masks if order_by is None else order_by
    order = paint_order(before, overlap)
    rank = np.empty(len(masks), np.int64)
    rank[order] = np.arange(len(masks))
    able = before.area >= min_area
    one, two, shared = pairs
    both = able[one] & able[two]
    one, two, shared = one[both], two[both], shared[both]
    above = rank[one] > rank[two]
    low, high = np.where(above, two, one), np.where(above, one, two)
    visible = masks.area - covered_pixels(masks, low, high, shared)
    keep = able & (visible >= max(min_area, 1)) & (visible >= min_visible * masks.area)
    return order[keep[order]], np.flatnonzero(keep)
