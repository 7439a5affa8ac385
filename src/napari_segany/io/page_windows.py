"""Windows of pages: the rows and columns that are wanted, read without the rest of the page."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.generic]

Window = tuple[slice, ...]
"""One slice an axis of a page, with a first index and the one after the last."""


def split_index(keys: Sequence[Any], shape: Sequence[int]) -> tuple[Window | None, tuple[Any, ...]]:
    """Split an index of a page into the window to read, and the index into that window.

    Parameters
    ----------
    keys : sequence
        An integer, slice or array for each axis.
    shape : sequence of int
        Shape of the page.

    Returns
    -------
    window : tuple of slice or None
        None for the whole page.
    rest : tuple
        Index into the window.

    Examples
    --------
    >>> split_index((slice(2, 5), 3), (8, 9))
    ((slice(2, 5, None), slice(3, 4, None)), (slice(None, None, None), 0))
    """
    window: list[slice] = []
    rest: list[Any] = []
    for key, length in zip(keys, shape, strict=True):
        if isinstance(key, slice) and key.step in (None, 1):
            first, end, _ = key.indices(length)
            window.append(slice(first, max(first, end)))
            rest.append(slice(None))
        elif isinstance(key, int | np.integer) and -length <= key < length:
            first = operator.index(key) % length
            window.append(slice(first, first + 1))
            rest.append(0)
        else:
            window.append(slice(0, length))
            rest.append(key)
    whole = all(w.start == 0 and w.stop == n for w, n in zip(window, shape, strict=True))
    return (None if whole else tuple(window)), tuple(rest)


def decode_window(page: Any, window: Window) -> Pixels | None:
    """Read a window of a TIFF page from the strips or tiles that it lies in.

    Parameters
    ----------
    page : tifffile.TiffPage or TiffFrame
        The page, whose file is open.
    window : tuple of slice
        A slice for each axis of ``page.keyframe.shape``.

    Returns
    -------
    ndarray or None
        The pixels; None for a page that cannot be read in parts.
    """
    key = page.keyframe
    if key.is_contiguous or "Y" not in key.axes or "X" not in key.axes:
        return None
    rows, cols = (window[key.axes.index(axis)] for axis in "YX")
    separate, depth, length, width, contiguous = key.shaped
    high, wide = rows.stop - rows.start, cols.stop - cols.start
    out = np.full((separate, depth, high, wide, contiguous), key.nodata, key.dtype)
    wanted = [n for n in range(len(page.dataoffsets)) if _meets(key, n, rows, cols)]
    arguments: dict[str, Any] = {}
    if key.compression in (6, 7, 33007, 34892):
        # Tables that the tiles of a JPEG page share.
        arguments = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader}
    segments = page.parent.filehandle.read_segments(
        [page.dataoffsets[n] for n in wanted], [page.databytecounts[n] for n in wanted], wanted
    )
    for data, number in segments:
        pixels, (s, d, top, left, _), _ = key.decode(data, number, **arguments)
        if pixels is None:
            continue
        # Tiles reach beyond the page.
        pixels = pixels[: depth - d, : length - top, : width - left]
        first = max(rows.start - top, 0), max(cols.start - left, 0)
        part = pixels[:, first[0] : rows.stop - top, first[1] : cols.stop - left]
        into = max(top - rows.start, 0), max(left - cols.start, 0)
        out[
            s,
            d : d + part.shape[0],
            into[0] : into[0] + part.shape[1],
            into[1] : into[1] + part.shape[2],
        ] = part
    shape: list[int] = []
    others: list[slice] = []
    for axis, n, part_of in zip(key.axes, key.shape, window, strict=True):
        shape.append({"Y": high, "X": wide}.get(axis, n))
        others.append(slice(None) if axis in "YX" else part_of)
    return out.reshape(shape)[tuple(others)]


def _meets(key: Any, number: int, rows: slice, cols: slice) -> bool:
    """Return True if a strip or tile, by its number in the page, has pixels of a window."""
    _, (_, _, top, left, _), (_, high, wide, _) = key.decode(None, number)
    within_rows = top < rows.stop and top + high > rows.start
    return bool(within_rows and left < cols.stop and left + wide > cols.start)


def read_rows(
    file: Any, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any], window: Window
) -> Pixels | None:
    """Read a window of uncompressed pixels that lie one after the other.

    Parameters
    ----------
    file : file
        Open for reading bytes, without a buffer.
    offset : int
        Position of the first pixel.
    shape, dtype : tuple of int, dtype
        Shape and type of the whole, two axes at least.
    window : tuple of slice
        A slice for each axis.

    Returns
    -------
    ndarray or None
        The pixels; None if the file ends before.
    """
    count, width = (each.stop - each.start for each in window[:2])
    # A column with whatever axes lie within it, and a whole row.
    column = int(np.prod(shape[2:], dtype=np.int64))
    row = shape[1] * column
    out = np.empty((count, width * column), dtype)
    if not out.size:
        return out.reshape(count, width, *shape[2:])[(slice(None), slice(None), *window[2:])]
    pieces = [out.reshape(-1)] if width == shape[1] else list(out)
    for number, piece in enumerate(pieces):
        at = (window[0].start + number) * row + window[1].start * column
        file.seek(offset + at * dtype.itemsize)
        into, read = memoryview(piece.view(np.uint8).data), 0
        while read < len(into) and (got := file.readinto(into[read:])):
            read += got
        if read < len(into):
            return None
    return out.reshape(count, width, *shape[2:])[(slice(None), slice(None), *window[2:])]
