"""TIFF files of all dialects: images in a file, and files of an image."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_segany.errors import InputError
from napari_segany.io.channel_names import names_in_tiff
from napari_segany.io.ome_file_sets import companion, missing_files, ome_files
from napari_segany.io.opened_image import OpenedImage
from napari_segany.io.pixel_size import PixelSize
from napari_segany.io.several_images import pick_image
from napari_segany.io.tiff_interpretation import PixelInterpretation, interpret_series
from napari_segany.io.tiff_pages import ContiguousPages, DecodedPages, TiffPages, last_byte
from napari_segany.io.tiff_sizes import pixel_size_of

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
"""Endings of the files that this package writes, in lower case."""

DIALECT_SUFFIXES = (".lsm", ".stk", ".svs", ".qptiff", ".ndpi", ".scn", ".flex")
"""Endings that microscopes give to files that are TIFF inside."""

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF file."""

_BESIDE = ("label", "macro", "thumbnail", "map", "overview", "preview", "probability")
"""Names that slide scanners give to pictures beside the image."""


@contextmanager
def _captured_warnings() -> Iterator[list[str]]:
    """Collect tifffile's warnings in this thread; it reads on where an error is better."""
    described: list[str] = []
    here = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread == here:
            described.append(record.getMessage())
        return record.thread != here

    logger = logging.getLogger("tifffile")
    level = logger.level
    logger.addFilter(keep)
    logger.setLevel(min(level or logging.WARNING, logging.WARNING))
    try:
        yield described
    finally:
        logger.removeFilter(keep)
        logger.setLevel(level)


def open_tiff(
    path: Path,
    series: int | str | None = None,
    axes: str = "",
    stored: bool = False,
    level: int = 0,
) -> OpenedImage:
    """Open one image of a TIFF file; see :func:`napari_segany.io.read.open_image`."""
    with _captured_warnings() as warnings:
        try:
            tiff = tifffile.TiffFile(path)
        except Exception as error:
            raise _damaged(path, error) from error
        try:
            whole, notes = _select_series(tiff, path, series, warnings)
            chosen = _level_of(whole, level, path)
            meaning = interpret_series(tiff, chosen, path, axes, stored)
            data = _pixels(tiff, chosen, path, meaning)
            channels = int(data.shape[meaning.axes.index("C")]) if "C" in meaning.axes else 0
            return OpenedImage(
                path=path,
                data=data,
                axes=meaning.axes,
                pixel_size=_scaled(pixel_size_of(tiff, whole), whole, chosen),
                images_in_file=len(images_of(tiff)),
                files=files_of(path, chosen),
                notes=(*notes, *meaning.notes),
                channel_names=names_in_tiff(tiff, whole, channels),
                _close=tiff.close,
                _coarser=lambda: _coarser(tiff, whole, level, path, (axes, stored), meaning.axes),
            )
        except InputError:
            tiff.close()
            raise
        # tifffile reads tags as it goes, so a damaged file can fail anywhere in any way.
        except Exception as error:
            tiff.close()
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    """Return the error for a damaged file; Python's own text says nothing of the file."""
    told = isinstance(error, tifffile.TiffFileError | OSError | SyntaxError)
    why = f" ({error})" if told else ""
    return InputError(f"{path} is a damaged or truncated TIFF file{why}; copy or save it again.")


def _select_series(
    tiff: tifffile.TiffFile, path: Path, asked: int | str | None, warnings: list[str]
) -> tuple[Any, list[str]]:
    """Return the selected series, with notes about the choice and about missing parts."""
    images = images_of(tiff)
    if not images:
        raise InputError(f"{path} is a TIFF file without pages, so there is no image in it.")
    if any("invalid page offset" in text for text in warnings):
        raise InputError(
            f"{path} is truncated: its list of pages is cut off after page {len(tiff.pages)}. "
            "Copy it again."
        )
    series, notes = pick_image(images, asked, path)
    xml = (tiff.ome_metadata or "") if tiff.is_ome else ""
    return series, notes + _uncounted_pages(tiff) + _check_complete(series, path, xml)


def _uncounted_pages(tiff: tifffile.TiffFile) -> list[str]:
    """Return a note about pages that a description of planes does not count."""
    if not {each.kind for each in tiff.series} <= {"imagej", "ome"}:
        return []
    levels = [level for each in tiff.series for level in each.levels]
    # Of those in other files there may be more.
    counted = {
        id(page) if page.index is None else page.index
        for level in levels
        for page in level.pages
        if page is not None and page.parent is tiff
    }
    count = len(tiff.pages)
    if len(counted) >= count:
        return []
    return [
        f"{count - len(counted)} of its {count} pages are not among the planes that its "
        "description counts, and are left out; save it again from the program that made it."
    ]


def images_of(tiff: tifffile.TiffFile) -> list[Any]:
    """Return the series that are images: no thumbnails, labels or levels of another."""
    if not len(tiff.pages):
        return []
    kept: list[Any] = []
    for each in tiff.series:
        beside = each.keyframe.is_reduced or str(each.name).strip().lower() in _BESIDE
        if not beside and not (kept and _is_level(each, kept)):
            kept.append(each)
    return kept or list(tiff.series[:1])


def image_names(path: Path) -> list[str]:
    """Return the names of the images in a TIFF file; one without a name if it cannot be read."""
    with _captured_warnings():
        try:
            with tifffile.TiffFile(path) as tiff:
                return [str(each.name) for each in images_of(tiff)] or [""]
        except Exception:
            return [""]


def _level_of(series: Any, level: int, path: Path) -> Any:
    """Return a level of the pyramid of a series, the series itself for 0."""
    if not level:
        return series
    count = len(series.levels)
    if not 0 < level < count:
        raise InputError(f"There is no level {level} in {path}; it has levels 0..{count - 1}.")
    return series.levels[level]


def _coarser(
    tiff: tifffile.TiffFile,
    series: Any,
    level: int,
    path: Path,
    request: tuple[str, bool],
    axes: str,
) -> list[Any]:
    """Return the pixels of the levels after one, as far as they have the same axes."""
    found = []
    with _captured_warnings():
        for each in series.levels[level + 1 :]:
            meaning = interpret_series(tiff, each, path, *request)
            if meaning.axes != axes:
                break
            found.append(_pixels(tiff, each, path, meaning))
    return found


def _scaled(sizes: PixelSize, whole: Any, level: Any) -> PixelSize:
    """Return the pixel size of a level, whose rows and columns are fewer."""
    if level is whole:
        return sizes
    factors = {
        axis: large / small
        for axis, large, small in zip(whole.axes, whole.shape, level.shape, strict=True)
        if axis in "YX"
    }
    return {a: (size * factors.get(a, 1.0), unit) for a, (size, unit) in sizes.items()}


def _is_level(series: Any, before: list[Any]) -> bool:
    """Return True if a nameless series is the previous one at 1/2, 1/4 and so on of its size."""
    whole = before[-1]
    if series.kind not in ("generic", "uniform") or series.axes != whole.axes:
        return False
    sizes = [
        (large, small)
        for axis, large, small in zip(series.axes, whole.shape, series.shape, strict=True)
        if axis in "YX" or large != small
    ]
    factors = {round(large / small) for large, small in sizes}
    factor = factors.pop()
    smooth = factor > 1 and factor & (factor - 1) == 0
    return not factors and smooth and all(abs(large / factor - n) <= 1 for large, n in sizes)


def _pixels(tiff: tifffile.TiffFile, series: Any, path: Path, meaning: PixelInterpretation) -> Any:
    page, leading = tuple(int(n) for n in series.keyframe.shape), _leading(series)
    convert: Callable[[Any], Any] = meaning.convert or (lambda pixels: pixels)
    offset = series.dataoffset
    if offset is not None and series.keyframe.parent is tiff:
        # Rows and columns may lie over pages, as tifffile's own files have them.
        within = min(series.axes.index("Y"), series.axes.index("X"))
        shape = tuple(int(n) for n in series.shape)
        dtype = series.dtype.newbyteorder(tiff.byteorder)
        stored = ContiguousPages(path, offset, shape[within:], dtype)
        lazy = TiffPages(shape, dtype, len(shape) - within, stored, outlives=True)
    elif leading is not None:
        lazy = TiffPages(series.shape, series.dtype, len(page), DecodedPages(series, tiff))
    else:
        # Pages that interleave several axes: rare, and there is no lazy way without more packages.
        return convert(series.asarray())
    if meaning.convert is None:
        return lazy
    return lazy.converted(meaning.convert, meaning.dtype, meaning.added)


def _leading(series: Any) -> tuple[int, ...] | None:
    """Return lengths of the axes that count pages; None if pages are not the other axes."""
    page = tuple(series.keyframe.shape)
    leading = tuple(series.shape[: len(series.shape) - len(page)])
    fits = tuple(series.shape[len(leading) :]) == page
    return leading if fits and int(np.prod(leading, dtype=np.int64)) == len(series.pages) else None


def files_of(path: Path, series: Any) -> tuple[Path, ...]:
    """Return every file that the pages of a series lie in, the path itself first."""
    names = {page.parent.filehandle.path for page in series.pages if page is not None}
    real = Path(os.path.realpath(path))
    return (path, *sorted({Path(name) for name in names} - {path, path.absolute(), real}))


def members(path: Path) -> tuple[Path, ...]:
    """Return every file of the set that a TIFF image is spread over, the path itself first.

    Cheap for files that are no member of a set, which are not opened any further.
    """
    with _captured_warnings():
        try:
            with tifffile.TiffFile(path) as tiff:
                spread = tiff.is_ndtiff or len(ome_files(tiff.ome_metadata or "")) > 1
                return files_of(path, tiff.series[0]) if spread else (path,)
        # The fault is reported when the file is opened.
        except Exception:
            return (path,)


def _check_complete(series: Any, path: Path, xml: str) -> list[str]:
    """Return notes about missing parts of a file or a set, before its planes are read.

    Raises
    ------
    InputError
        If files of the set are not there, or no page is whole.
    """
    absent = sum(page is None for page in series.pages)
    if absent and (missing := missing_files(xml, path.parent)):
        raise InputError(
            f"{path} is one file of a set, and {absent} of its {len(series.pages)} planes are in "
            f"{', '.join(map(repr, missing))}, which is not in the same folder; put the whole set "
            "there."
        )
    notes = []
    if other := companion(xml):
        notes.append(
            f"The file says that {other!r} describes it, which is not read, so its axes are "
            "guessed; --axes names them."
        )
    if absent:
        notes.append(
            f"{absent} of its {len(series.pages)} planes are not in the file; they are read as 0."
        )
    ends = _page_ends(series)
    cut = [number for number, (file, end) in enumerate(ends) if end > file.size]
    if cut and len(cut) == len(ends):
        file, end = ends[0]
        raise InputError(
            f"{path} is truncated: it should go on to byte {end} but ends at {file.size}. "
            "Copy it again."
        )
    if cut:
        notes.append(
            f"It is truncated: {len(cut)} of its {len(ends)} planes, from plane {cut[0]} on, lie "
            "beyond its end and cannot be read. Copy it again."
        )
    return notes


def _page_ends(series: Any) -> list[tuple[Any, int]]:
    """Return the file and the end of the data of each page."""
    offset = series.dataoffset
    if offset is None:
        return [(p.parent.filehandle, last_byte(p)) for p in series.pages if p is not None]
    within = min(series.axes.index("Y"), series.axes.index("X"))
    nbytes = int(np.prod(series.shape[within:], dtype=np.int64)) * series.dtype.itemsize
    count = int(np.prod(series.shape[:within], dtype=np.int64))
    file = series.keyframe.parent.filehandle
    return [(file, offset + nbytes * (n + 1)) for n in range(count)]
