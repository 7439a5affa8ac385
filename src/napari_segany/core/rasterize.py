"""Rasterization of overlapping masks into one label image."""

from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.binary_mask import drop_small_specks, fill_small_holes
from napari_segany.core.overlap import Overlap
from napari_segany.errors import InputError


class Paintable(Protocol):
    """N masks of one plane, such as :class:`napari_segany.core.masks.MaskSet`."""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        ...

    @property
    def boxes(self) -> NDArray[np.int64]:
        """(N, 4) half-open bounding boxes."""
        ...

    @property
    def area(self) -> NDArray[np.int64]:
        """(N,) pixels."""
        ...

    @property
    def predicted_iou(self) -> NDArray[np.float32]:
        """(N,) scores."""
        ...

    def __len__(self) -> int: ...

    def crop(self, i: int) -> NDArray[np.bool_]:
        """Mask ``i`` within its box."""
        ...

    def mask(self, i: int) -> NDArray[np.bool_]:
        """Mask ``i`` as an (H, W) image."""
        ...


def paint_order(masks: Paintable, overlap: str) -> NDArray[np.intp]:
    """Return indices from the bottom to the top; ties go to the earlier mask."""
    if overlap not in get_args(Overlap):
        raise InputError(f"overlap must be one of {', '.join(get_args(Overlap))}, got {overlap!r}.")
    heights: dict[str, NDArray[np.float64]] = {
        "small_on_top": -masks.area.astype(np.float64),
        "large_on_top": masks.area.astype(np.float64),
        "best_on_top": masks.predicted_iou.astype(np.float64),
    }
    height = heights[overlap]
    # The last painted mask wins, so among equals the earlier mask comes last.
    return len(masks) - 1 - np.argsort(height[::-1], kind="stable")


def _painted(
    masks: Paintable, order: list[np.intp], fill_holes: int, drop_specks: int
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.int64]]:
    """Paint some masks in order, as their index plus one; also the pixels each one drew."""
    # Labels are what takes most memory of a large plane.
    kind = next(k for k in (np.uint8, np.uint16, np.uint32) if len(masks) <= np.iinfo(k).max)
    labels = np.zeros(masks.shape, kind)
    drawn = masks.area.copy()
    for i in order:
        if fill_holes or drop_specks:
            mask = masks.mask(int(i))
            mask = fill_small_holes(mask, fill_holes) if fill_holes else mask
            mask = drop_small_specks(mask, drop_specks) if drop_specks else mask
            labels[mask] = i + 1
            drawn[i] = np.count_nonzero(mask)
        else:
            a, b, c, d = masks.boxes[i]
            labels[a:c, b:d][masks.crop(int(i))] = i + 1
    return labels, drawn


def paint_sources(
    masks: Paintable,
    overlap: Overlap = "small_on_top",
    min_area: int = 0,
    fill_holes: int = 0,
    drop_specks: int = 0,
    min_visible: float = 0.1,
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.intp]]:
    """Paint masks as :func:`paint` does, but number each by its index in ``masks``, plus one."""
    order = [i for i in paint_order(masks, overlap) if masks.area[i] >= min_area]
    labels, drawn = _painted(masks, order, fill_holes, drop_specks)
    visible = np.zeros(len(masks), np.int64)
    for i in order:
        # Filled holes lie within the box, too.
        a, b, c, d = masks.boxes[i]
        visible[i] = np.count_nonzero(labels[a:c, b:d] == i + 1)
    keep = (visible >= max(min_area, 1)) & (visible >= min_visible * drawn)
    if not keep[order].all():
        # Masks that are left out must not leave a hole in the masks below them.
        labels, _ = _painted(masks, [i for i in order if keep[i]], fill_holes, drop_specks)
    return labels, np.flatnonzero(keep)


def paint(
    masks: Paintable,
    overlap: Overlap = "small_on_top",
    min_area: int = 0,
    fill_holes: int = 0,
    drop_specks: int = 0,
    min_visible: float = 0.1,
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.intp]]:
    """Paint masks into one label image.

    Parameters
    ----------
    masks : MaskSet
        The masks, which may overlap.
    overlap : {"small_on_top", "large_on_top", "best_on_top"}
        Owner of a pixel that several masks claim.
    min_area : int
        Masks with fewer pixels, and objects that keep fewer once painted, are left out.
    fill_holes, drop_specks : int
        Holes and specks of single masks below this many pixels are filled and dropped first.
    min_visible : float
        Objects of which less than this fraction stays visible, 0..1, are left out: the rim of a
        mask that means several neighbours together is no object.

    Returns
    -------
    labels : ndarray
        (H, W) of the smallest unsigned type for as many masks, 0 for background, objects 1..n in
        the order of ``masks``.
    source : ndarray
        (n,) index into ``masks`` of each object.
    """
    labels, source = paint_sources(masks, overlap, min_area, fill_holes, drop_specks, min_visible)
    # In place and within boxes, because a second image would be the largest thing in memory. Ids
    # only become smaller, so that a new one is never taken for an old one that is still to come.
    for new, i in enumerate(source.tolist(), start=1):
        if new != i + 1:
            a, b, c, d = masks.boxes[i]
            part = labels[a:c, b:d]
            part[part == i + 1] = new
    return labels, source
