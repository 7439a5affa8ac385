"""From overlapping masks to one label image, and the clean-up of single masks."""

from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_segany.core.parameters import Overlap
from napari_segany.errors import InputError

if TYPE_CHECKING:
    from napari_segany.core.masks import MaskSet

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Half-open (row_min, col_min, row_max, col_max) of a mask, zeros if it is empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's uncompressed run lengths: column by column, starting with the zeros."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(edges).tolist()
    return [0, *counts] if flat[0] else counts


def fill_small_holes(mask: NDArray[np.bool_], area: int) -> NDArray[np.bool_]:
    """Fill background components below ``area`` pixels (8-connected, as in the reference)."""
    components, count = ndimage.label(~mask, EIGHT_NEIGHBOURS)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    small = sizes < area
    small[0] = False
    filled: NDArray[np.bool_] = mask | small[components]
    return filled


def drop_small_specks(mask: NDArray[np.bool_], area: int) -> NDArray[np.bool_]:
    """Remove components below ``area`` pixels (8-connected), but never the largest one."""
    components, count = ndimage.label(mask, EIGHT_NEIGHBOURS)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    keep = sizes >= area
    keep[0] = False
    if count and not keep.any():
        keep[1 + np.argmax(sizes[1:])] = True
    kept: NDArray[np.bool_] = keep[components]
    return kept


LARGEST_ID = 2**63 - 1
"""Ids of objects are counted in 64 bits with a sign."""


def whole_numbers(labels: ArrayLike, what: str = "Labels") -> NDArray[np.integer]:
    """Labels of any type as whole numbers: exactly those, or an error.

    Parameters
    ----------
    labels : array_like
        Of any type; numbers with a decimal point are taken if they are whole.
    what : str
        What they are, for errors.

    Raises
    ------
    InputError
        If they are no whole numbers, or too large.
    """
    array = np.asarray(labels)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        # Beyond 2**53 such numbers do not tell neighbours apart.
        bad = ~((np.floor(array) == array) & (np.abs(array) <= 2**53))
        if bad.any():
            raise InputError(
                f"{what} must be whole numbers, and hold {float(array[bad][0])}: give each object "
                "a whole number, and 0 to what is none."
            )
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise InputError(f"{what} must be whole numbers, got an array of {array.dtype}.")
    if array.dtype == np.uint64:
        check_largest(int(array.max(initial=0)), LARGEST_ID, what)
    return array


def as_ids(labels: ArrayLike, what: str = "Labels") -> NDArray[np.integer]:
    """Ids of objects, 0 for none: :func:`whole_numbers`, of which negative ones are no objects."""
    array = whole_numbers(labels, what)
    return np.maximum(array, 0) if array.dtype.kind == "i" else array


def check_largest(label: int, largest: int, what: str = "Labels") -> None:
    """Raise InputError if an id is larger than what can be kept."""
    if label > largest:
        raise InputError(
            f"{what} hold the id {label}, and ids end at {largest} here. Number them anew, for "
            "example with skimage.segmentation.relabel_sequential."
        )


def shift_ids(labels: NDArray[np.integer], last: int) -> NDArray[np.integer]:
    """Number objects on from ``last``, so that ids stay unique over the planes of a stack.

    Raises
    ------
    InputError
        If an id becomes too large.
    """
    if not last:
        return labels
    check_largest(int(labels.max(initial=0)) + last, np.iinfo(np.int32).max)
    # Pages of background that nobody writes to cost nothing.
    shifted = np.zeros(labels.shape, np.int32)
    np.add(labels, np.int32(last), out=shifted, where=labels > 0)
    return shifted


def _paint_order(masks: "MaskSet", overlap: str) -> NDArray[np.intp]:
    """Indices from the bottom to the top; ties go to the earlier mask."""
    if overlap not in get_args(Overlap):
        raise InputError(f"overlap must be one of {', '.join(get_args(Overlap))}, got {overlap!r}.")
    heights: dict[str, NDArray[np.float64]] = {
        "small_on_top": -masks.area.astype(np.float64),
        "large_on_top": masks.area.astype(np.float64),
        "best_on_top": masks.predicted_iou.astype(np.float64),
    }
    height = heights[overlap]
    # What is painted last wins, so among equals the earlier mask comes last.
    return len(masks) - 1 - np.argsort(height[::-1], kind="stable")


def _painted(
    masks: "MaskSet", order: list[np.intp], fill_holes: int, drop_specks: int
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
    masks: "MaskSet",
    overlap: Overlap = "small_on_top",
    min_area: int = 0,
    fill_holes: int = 0,
    drop_specks: int = 0,
    min_visible: float = 0.1,
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.intp]]:
    """Paint masks as :func:`paint` does, but number each by its index in ``masks``, plus one."""
    order = [i for i in _paint_order(masks, overlap) if masks.area[i] >= min_area]
    labels, drawn = _painted(masks, order, fill_holes, drop_specks)
    visible = np.zeros(len(masks), np.int64)
    for i in order:
        # Filled holes lie within the box, too.
        a, b, c, d = masks.boxes[i]
        visible[i] = np.count_nonzero(labels[a:c, b:d] == i + 1)
    keep = (visible >= max(min_area, 1)) & (visible >= min_visible * drawn)
    if not keep[order].all():
        # What is left out must not leave a hole in what lies below it.
        labels, _ = _painted(masks, [i for i in order if keep[i]], fill_holes, drop_specks)
    return labels, np.flatnonzero(keep)


def paint(
    masks: "MaskSet",
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
        Who owns a pixel that several masks claim.
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
