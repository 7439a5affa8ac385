"""Scenes of microscope files as opened images, for formats that are read by another package."""

import importlib
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.io.channel_names import usable
from napari_segany.io.file_version import FileVersion
from napari_segany.io.formats.file_format import ReadRequest
from napari_segany.io.opened_image import OpenedImage
from napari_segany.io.page_windows import Window
from napari_segany.io.pixel_size import PixelSize
from napari_segany.io.several_images import pick_image
from napari_segany.io.tiff_interpretation import to_known_axes
from napari_segany.io.tiff_pages import TiffPages


@dataclass(frozen=True, eq=False)
class Scene:
    """One image of a file.

    Attributes
    ----------
    name : str
        Its name; empty without one.
    axes : str
        One letter a dimension, in the file's own letters; the last ones are those of a page.
    shape : tuple of int
        Lengths of the axes.
    dtype : dtype
        Type of a pixel.
    within : int
        Number of axes within a page.
    read : callable
        Returns the pixels of a page by its index along the other axes.
    pixel_size : mapping
        Size and unit of a step along those axes for which it is known.
    channel_names : sequence of str
        Names of the channels; empty if they have none.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    within: int
    read: Callable[[tuple[int, ...]], NDArray[np.generic]]
    pixel_size: PixelSize = field(default_factory=dict)
    channel_names: Sequence[str] = ()


def micrometres(metres: float) -> tuple[float, str]:
    """Return a length as size and unit, without the digits that are only rounding."""
    return float(f"{metres * 1e6:.12g}"), "um"


def import_reader(module: str, extra: str, path: Path, kind: str) -> Any:
    """Return a package that reads a format.

    Raises
    ------
    InputError
        If it is not installed, with the command that installs it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{path} is {kind}, which needs the package {module}: "
            f'pip install "napari-segany[{extra}]".'
        ) from error


@contextmanager
def plain_errors(path: Path, kind: str) -> Iterator[None]:
    """Turn any error of a reader of damaged files into one sentence; silence its warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    # Metadata can be wrong in any way, and readers fail in as many.
    except Exception as error:
        why = " ".join(str(error).split())[:160]
        told = f" ({why})" if why and isinstance(error, OSError | ValueError) else ""
        raise InputError(
            f"{path} is a damaged or truncated {kind} file{told}; copy or save it again."
        ) from error


def open_scene(
    path: Path,
    scenes: Sequence[Scene],
    request: ReadRequest,
    kind: str,
    close: Callable[[], None],
) -> OpenedImage:
    """Return the selected scene of an open file as an image whose pages are read when indexed.

    Raises
    ------
    InputError
        If there is none, or no such one.
    """
    if not scenes:
        raise InputError(f"{path} is {kind} file without an image in it.")
    if request.level:
        raise InputError(f"There is no level {request.level} in {path}; only level 0 is read.")
    scene, notes = pick_image(scenes, request.series, path)
    axes = to_known_axes(scene.axes, scene.shape)
    channels = scene.shape[axes.index("C")] if "C" in axes else 0
    return OpenedImage(
        path,
        TiffPages(
            scene.shape,
            scene.dtype,
            scene.within,
            _PageReader(path, scene),
        ),
        axes,
        {axis: size for axis, size in scene.pixel_size.items() if axis in axes},
        len(scenes),
        (path,),
        tuple(notes),
        usable(scene.channel_names, channels) if channels else (),
        close,
    )


class _PageReader:
    """Reader of the pages of a scene by number, one at a time, with plain errors.

    Parameters
    ----------
    path : Path
        The file.
    scene : Scene
        The image.
    """

    def __init__(self, path: Path, scene: Scene) -> None:
        self._path, self._scene = path, scene
        self._version = FileVersion.of(path)
        split = len(scene.shape) - scene.within
        self._leading, self._page = scene.shape[:split], scene.shape[split:]
        # The readers' files have one position.
        self._turns = threading.RLock()
        self._last: tuple[int, NDArray[np.generic]] | None = None

    def __call__(self, number: int, window: Window | None = None, /) -> NDArray[np.generic]:
        """Return the pixels of a page or of a window of it; see :class:`PageReader`.

        These formats are read by pages. The last one stays in memory while windows are read.

        Raises
        ------
        InputError
            If it cannot be decoded, or the file was changed since it was opened.
        """
        if window is None:
            return self._whole(number)
        with self._turns:
            if self._last is None or self._last[0] != number:
                self._last = number, self._whole(number)
            # A copy, so that the page is not kept by those who keep a window.
            return self._last[1][window].copy()

    def _whole(self, number: int) -> NDArray[np.generic]:
        index = tuple(int(n) for n in np.unravel_index(number, self._leading or (1,)))
        index = index if self._leading else ()
        try:
            with self._turns, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pixels = np.asarray(self._scene.read(index))
            if pixels.shape != self._page:
                raise ValueError(f"it has shape {pixels.shape} in place of {self._page}")
        # Decoders fail in as many ways as there are.
        except Exception as error:
            self._version.check(self._path)
            raise InputError(
                f"{self._path}: plane {number + 1} cannot be decoded ({error}); the file is "
                f"damaged or truncated. Copy it again, or save it as OME-TIFF from the program "
                "that made it."
            ) from error
        self._version.check(self._path)
        return pixels
