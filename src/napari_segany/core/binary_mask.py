"""Single binary masks: bounding boxes, run lengths, clean-up, and packed bits.

Packed masks hold eight pixels a byte. The first bit of a row stands for a column of the plane that
is a multiple of eight, so that masks can be compared byte by byte wherever they lie.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the half-open (row_min, col_min, row_max, col_max) of a mask, zeros if empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1


def run_lengths_in_plane(
    crop: NDArray[np.bool_], top: int, left: int, shape: tuple[int, int]
) -> list[int]:
    """Return COCO's uncompressed run lengths of a mask: column by column, zeros first.

    Parameters
    ----------
    crop : ndarray
        (h, w) boolean; a part of the plane that holds all pixels of the mask.
    top, left : int
        Row and column of the plane at which the part begins.
    shape : tuple of int
        (H, W) of the plane, which itself is not made.

    Returns
    -------
    list of int
        Lengths of the runs; the first one may be 0. Their sum is H x W.

    Examples
    --------
    >>> run_lengths_in_plane(np.array([[True], [True]]), 1, 1, (3, 3))
    [4, 2, 3]
    """
    height = shape[0]
    steps = np.diff(np.pad(crop, ((1, 1), (0, 0))).astype(np.int8), axis=0).T
    (cols, rows), (end_cols, end_rows) = np.nonzero(steps == 1), np.nonzero(steps == -1)
    starts, ends = (left + cols) * height + top + rows, (left + end_cols) * height + top + end_rows
    # A run that reaches the last row goes on in the first row of the next column.
    apart = starts[1:] != ends[:-1]
    starts = starts[np.append(True, apart)[: len(starts)]]
    ends = ends[np.append(apart, True)[-len(ends) :]] if len(ends) else ends
    size = height * shape[1]
    edges = np.concatenate([[0], np.column_stack([starts, ends]).ravel(), [size]])
    counts: list[int] = np.diff(edges).tolist()
    return counts[:-1] if len(ends) and ends[-1] == size else counts


def fill_small_holes(
    mask: NDArray[np.bool_], area: int, around: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Fill background components below ``area`` pixels (8-connected, as in the published code).

    Of a part of a plane, ``around`` is true for pixels of background that goes on beyond it.
    """
    components, count = ndimage.label(~mask, EIGHT_NEIGHBOURS)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    small = sizes < area
    small[0] = False
    if around is not None:
        small[components[around]] = False
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


def clean_within(
    mask: NDArray[np.bool_], box: tuple[int, int, int, int], shape: tuple[int, int], area: int
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Fill holes and drop specks below ``area`` pixels of a mask that is known within its box.

    Parameters
    ----------
    mask : ndarray
        (h, w) boolean, the mask within ``box``.
    box : tuple of int
        Its half-open row_min, col_min, row_max, col_max in a plane of ``shape`` (H, W).
    area : int
        Pixels.

    Returns
    -------
    mask : ndarray
        Boolean, the clean mask in a box that may be somewhat larger.
    origin : tuple of int
        Row and column of its first pixel. The result is that of the whole plane.
    """
    if not mask.size:
        return mask, (box[0], box[1])
    # Background around the box counts as a hole if the plane's border makes it small enough. A
    # margin of as many pixels as a hole has at most decides it, or the whole plane does.
    pads = []
    for axis in (0, 1):
        margin = -(-area // mask.shape[1 - axis])
        pads.append((min(margin, box[axis]), min(margin, shape[axis] - box[axis + 2])))
    filled = fill_small_holes(np.pad(mask, pads), area)
    return drop_small_specks(filled, area), (box[0] - pads[0][0], box[1] - pads[1][0])


def pack(mask: NDArray[np.bool_], left: int) -> NDArray[np.uint8]:
    """Pack the bits of a mask whose first column is column ``left`` of the plane."""
    before = left % 8
    padded = np.zeros((mask.shape[0], before + mask.shape[1]), bool)
    padded[:, before:] = mask
    return np.packbits(padded, axis=1)


def unpack(bits: NDArray[np.uint8], left: int, right: int) -> NDArray[np.bool_]:
    """Return the boolean mask whose columns are ``left`` to ``right`` of the plane."""
    pixels = np.unpackbits(bits, axis=1).view(bool)
    return pixels[:, left % 8 : left % 8 + right - left]
