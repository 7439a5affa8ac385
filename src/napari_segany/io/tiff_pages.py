"""Lazy arrays over TIFF series, which read only the pages that are indexed."""

import threading
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from napari_segany.errors import InputError
from napari_segany.io.file_version import FileVersion
from napari_segany.io.page_windows import Pixels, Window, decode_window, read_rows, split_index


class PageReader(Protocol):
    """Reader of the pages of an image."""

    def __call__(self, number: int, window: Window | None = None, /) -> Pixels:
        """Return the pixels of a page, or those of a window of it.

        Parameters
        ----------
        number : int
            The page.
        window : tuple of slice, optional
            A slice for each axis of the page; the whole page by default.
        """
        ...


class TiffPages:
    """Lazy array over the pages of one series of a TIFF file.

    Indexing takes integers and slices and gives arrays; of a window of rows and columns only the
    strips or tiles are read that it lies in. Files are read and not mapped into memory: a mapped
    file that becomes shorter ends the whole process.

    Parameters
    ----------
    shape : tuple of int
        Shape of the whole; the leading axes count pages.
    dtype : dtype
        Type of the pixels that ``read`` returns.
    within : int
        Number of axes within a page.
    read : PageReader
        Gives the pixels of a page by its number.
    outlives : bool
        Whether ``read`` still works after the image was closed.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        within: int,
        read: PageReader,
        outlives: bool = False,
    ) -> None:
        self.outlives = outlives
        self.shape = tuple(int(n) for n in shape)
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._read = read
        self._leading = self.ndim - within

    def converted(
        self, convert: Callable[[Pixels], Pixels], dtype: DTypeLike, added: tuple[int, ...]
    ) -> "TiffPages":
        """Return an array with every page converted to another type, with axes added at the end."""
        inner, read = self.ndim - self._leading, self._read

        def page(number: int, window: Window | None = None) -> Pixels:
            if window is None:
                return convert(read(number))
            index: tuple[Any, ...] = (..., *window[inner:])
            part: Pixels = convert(read(number, window[:inner]))[index]
            return part

        return TiffPages(self.shape + added, dtype, inner + len(added), page, self.outlives)

    def along(self, axis: int, index: int) -> "TiffPages":
        """Return the lazy array at one index along an axis."""
        rest = self.shape[:axis] + self.shape[axis + 1 :]
        within, leading, read = self.ndim - self._leading, self.shape[: self._leading], self._read

        def page(number: int, window: Window | None = None) -> Pixels:
            if axis >= len(leading):
                at = axis - len(leading)
                inner = rest[len(leading) :]
                kept = window or tuple(slice(0, n) for n in inner)
                part = read(number, (*kept[:at], slice(index, index + 1), *kept[at:]))
                return part.squeeze(at)
            others = np.unravel_index(number, rest[: len(leading) - 1]) if leading[1:] else ()
            place = [int(n) for n in others]
            place.insert(axis, index)
            return read(int(np.ravel_multi_index(place, leading)), window)

        return TiffPages(rest, self.dtype, within - (axis >= len(leading)), page, self.outlives)

    def __getitem__(self, key: Any) -> Pixels:
        """Return the selected pixels; only the pages that hold them are read."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if any(each is Ellipsis for each in keys):
            at = next(n for n, each in enumerate(keys) if each is Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        counting, within = keys[: self._leading], tuple(keys[self._leading :])
        lengths = self.shape[: self._leading]
        wanted = [np.atleast_1d(np.arange(n)[k]) for k, n in zip(counting, lengths, strict=True)]
        window, rest = split_index(within, self.shape[self._leading :])
        pages = [self._page(index, window)[rest] for index in product(*wanted)]
        if len(pages) == 1 and not any(isinstance(k, slice) for k in counting):
            return np.asarray(pages[0], self.dtype)
        kept = [len(w) for w, k in zip(wanted, counting, strict=True) if isinstance(k, slice)]
        page = np.broadcast_to(np.uint8(0), self.shape[self._leading :])
        return np.array(pages, self.dtype).reshape(*kept, *page[within].shape)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Pixels:
        return self[()].astype(dtype or self.dtype, copy=False)

    def _page(self, index: tuple[int, ...], window: Window | None) -> Pixels:
        lengths = self.shape[: self._leading]
        number = int(np.ravel_multi_index(index, lengths)) if index else 0
        return self._read(number) if window is None else self._read(number, window)


class ContiguousPages:
    """Reader of uncompressed pages that lie one after the other in a file.

    Parameters
    ----------
    path : Path
        The file.
    offset : int
        Position of the first page in the file.
    shape, dtype : tuple of int, dtype
        Shape and type of a page.
    """

    def __init__(
        self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._path, self._offset, self._shape, self._dtype = path, offset, shape, dtype
        self._version = FileVersion.of(path)
        self.nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize

    def __call__(self, number: int, window: Window | None = None, /) -> Pixels:
        """Return the pixels of a page or of a window of it; see :class:`PageReader`.

        Raises
        ------
        InputError
            If the file ends before, or was changed since it was opened.
        """
        at = self._offset + number * self.nbytes
        wanted = window or tuple(slice(0, n) for n in self._shape)
        try:
            with self._path.open("rb", buffering=0) as file:
                pixels = read_rows(file, at, self._shape, self._dtype, wanted)
        except OSError as error:
            self._version.check(self._path)
            raise InputError(
                f"{self._path}: page {number + 1} cannot be read ({error.strerror or error})."
            ) from error
        self._version.check(self._path)
        if pixels is None:
            raise InputError(beyond(self._path, number, at + self.nbytes))
        return pixels


def beyond(path: Path, number: int, end: int) -> str:
    """Return the error for a page that a truncated file does not hold to its end."""
    return (
        f"{path}: page {number + 1} should go on to byte {end}, and the file ends before; it is "
        "truncated. Copy it again."
    )


class DecodedPages:
    """Reader of any pages by tifffile: compressed, tiled, scattered, or in other files.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        Series whose pages are read.
    tiff : tifffile.TiffFile
        The file that is open; others of a set are opened for each page, as there may be thousands,
        and so is this one when it was closed.
    """

    def __init__(self, series: Any, tiff: Any) -> None:
        self._series, self._open = series, tiff.filehandle
        self._shape = tuple(int(n) for n in series.keyframe.shape)
        # A file of a set has one position, and is closed between.
        self._turns = threading.Lock()
        files = {page.parent.filehandle.path for page in series.pages if page is not None}
        self._versions = {name: FileVersion.of(Path(name)) for name in files}

    def __call__(self, number: int, window: Window | None = None, /) -> Pixels:
        """Return the pixels of a page or of a window of it; zeros if it was never acquired.

        Raises
        ------
        InputError
            If it cannot be decoded, or the file was changed since it was opened.
        """
        page = self._series.pages[number]
        if page is None:
            # OME-TIFF may leave out planes that were never taken.
            lengths = self._shape if window is None else [w.stop - w.start for w in window]
            return np.zeros(lengths, self._series.dtype)
        path = Path(page.parent.filehandle.path)
        version = self._versions[str(path)]
        try:
            end = last_byte(page)
            if end > version.size:
                raise InputError(beyond(path, number, end))
            listed, parts = len(page.dataoffsets), int(np.prod(page.chunked))
            if listed < parts and not page.is_contiguous:
                # Tiles that are not listed would silently be read as 0.
                raise InputError(
                    f"{path}: page {number + 1} lists {listed} of its {parts} strips or tiles; the "
                    "file is damaged. Copy it again."
                )
            pixels = self._decode(page, window)
        except InputError:
            raise
        # Decoders of a dozen compressions fail in as many ways.
        except Exception as error:
            version.check(path)
            raise InputError(
                f"{path}: page {number + 1} of {len(self._series.pages)} cannot be decoded "
                f"({error}). The file is damaged or of a kind that cannot be read; save it again "
                "as TIFF from the program that made it."
            ) from error
        version.check(path)
        return pixels

    def _decode(self, page: Any, window: Window | None) -> Pixels:
        file = page.parent.filehandle
        # Those who show a pyramid read it after the image was closed.
        if file is self._open and not file.closed:
            return self._pixels(page, window)
        with self._turns:
            file.open()
            try:
                return self._pixels(page, window)
            finally:
                file.close()

    def _pixels(self, page: Any, window: Window | None) -> Pixels:
        part = None if window is None else decode_window(page, window)
        if part is not None:
            return part
        pixels: Pixels = page.asarray().reshape(self._shape)
        return pixels if window is None else pixels[window]


def last_byte(page: Any) -> int:
    """Return the position after a page's data in its file."""
    ends = (o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True))
    return max(ends, default=0)
