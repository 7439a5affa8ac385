"""Slides of scanners: the TIFF reader, with windows of a page by the package tiffslide."""

import threading
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_segany.errors import InputError
from napari_segany.io import tiff
from napari_segany.io.file_version import FileVersion
from napari_segany.io.formats.file_format import FileFormat, ReadRequest
from napari_segany.io.formats.scenes import import_reader
from napari_segany.io.formats.tiff_file import image_names, is_tiff, open_request
from napari_segany.io.opened_image import OpenedImage
from napari_segany.io.pixel_size import keep_known

SLIDE_SUFFIXES = (".svs", ".ndpi", ".scn", ".bif")
"""Endings of slides, in lower case."""


class SlideWindows:
    """Lazy array over the full resolution of a slide, of which windows are read by tiles.

    The whole page is read by the TIFF reader, so its values are the same with and without the
    package.

    Parameters
    ----------
    page : array
        The page by the TIFF reader, (Y, X, 3).
    slide : tiffslide.TiffSlide
        The open slide.
    path : Path
        Path named in errors.
    """

    def __init__(self, page: Any, slide: Any, path: Path) -> None:
        self._page, self._slide, self._path = page, slide, path
        self._version = FileVersion.of(path)
        self._turns = threading.Lock()
        self.shape: tuple[int, ...] = page.shape
        self.ndim, self.size = len(self.shape), int(np.prod(self.shape, dtype=np.int64))
        self.dtype: np.dtype[Any] = page.dtype

    def __getitem__(self, key: Any) -> NDArray[np.generic]:
        """Return the selected pixels; of a window of rows and columns only its tiles are read."""
        keys = key if isinstance(key, tuple) else (key,)
        window = keys[:2]
        if len(window) < 2 or not all(isinstance(k, slice) and k.step in (None, 1) for k in window):
            return np.asarray(self._page[key])
        (top, bottom), (left, right) = (
            k.indices(n)[:2] for k, n in zip(window, self.shape, strict=False)
        )
        height, width = max(bottom - top, 0), max(right - left, 0)
        if (height, width) == self.shape[:2] or not height * width:
            return np.asarray(self._page[key])
        try:
            with self._turns:
                pixels = self._slide.read_region((left, top), 0, (width, height), as_array=True)
        # Decoders of a dozen compressions fail in as many ways.
        except Exception as error:
            self._version.check(self._path)
            raise InputError(
                f"{self._path}: a tile of this window cannot be decoded ({error}); copy it again."
            ) from error
        self._version.check(self._path)
        return np.asarray(pixels)[(slice(None), slice(None), *keys[2:])]

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        return np.asarray(self._page).astype(dtype or self.dtype, copy=False)


def _matches(path: Path, first: bytes) -> bool:
    return path.suffix.lower() in SLIDE_SUFFIXES and is_tiff(path, first)


def open_slide(path: Path, request: ReadRequest) -> OpenedImage:
    """Open a slide; without the package tiffslide windows are cut out of the decoded page."""
    opened = open_request(path, request)
    shape = opened.shape
    is_first = request.series in (None, 0) and not request.level
    if not is_first or opened.axes != "YXS" or shape[2] != 3 or find_spec("tiffslide") is None:
        return opened
    try:
        slide = import_reader("tiffslide", "slides", path, "a slide").TiffSlide(path)
    # Not every TIFF with such an ending is a slide that the package knows.
    except Exception:
        return opened
    if slide.dimensions != (shape[1], shape[0]):
        slide.close()
        return opened
    stated = {axis: (slide.properties.get(f"tiffslide.mpp-{axis.lower()}"), "um") for axis in "YX"}

    def close() -> None:
        slide.close()
        opened.close()

    return replace(
        opened,
        data=SlideWindows(opened.data, slide, path),
        pixel_size=opened.pixel_size or keep_known(stated),
        _close=close,
    )


SLIDES = FileFormat("slide", SLIDE_SUFFIXES, _matches, open_slide, image_names, tiff.members)
