"""Opening of images: axes, pixel size, and planes that are read when needed."""

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PIL import UnidentifiedImageError

from napari_segany.errors import InputError
from napari_segany.io.formats.file_format import FileFormat, ReadRequest
from napari_segany.io.formats.registry import FIRST_BYTES, FORMATS, format_of
from napari_segany.io.ome_zarr import holds_fields, is_zarr, list_images
from napari_segany.io.opened_image import OpenedImage, series_path, split_series, stem
from napari_segany.io.several_images import image_number

__all__ = [
    "ACCEPTED",
    "SUFFIXES",
    "OpenedImage",
    "choose_series",
    "expand_containers",
    "members",
    "open_image",
    "stem",
]

SUFFIXES = tuple(dict.fromkeys(end for each in FORMATS.values() for end in each.suffixes))
"""Endings of files that can be read, in lower case."""

ACCEPTED = (
    "TIFF (also OME-TIFF, ImageJ, LSM, STK and slides), OME-Zarr, PNG and JPEG; ND2, LIF and CZI "
    'with the extra "formats"'
)

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")
"""Beginning of an address, also where a path made one slash of two; a drive has one letter."""


def expand_containers(path: Path) -> list[Path]:
    """Return the images of a path: the fields of an OME-Zarr plate, else the path itself."""
    try:
        return (list_images(path) if holds_fields(path) else []) or [path]
    except InputError:
        # The fault is reported when the file is opened.
        return [path]


def choose_series(paths: Iterable[Path], asked: int | str | None) -> list[Path]:
    """Return the selected images of files that hold several.

    Parameters
    ----------
    paths : iterable of Path
        Image files.
    asked : int, str, optional
        Number of the image in each file, from 0, or its name; "all" for each image. By default
        what the paths say.

    Returns
    -------
    list of Path
        For :func:`open_image`; results are called after them: image 1 of ``cells.tif`` is
        ``cells.tif[1]``, and its results ``cells_s1``.

    Raises
    ------
    InputError
        If a file has no image of that name, or several.
    """
    if asked is None:
        return list(paths)
    return [image for path in paths for image in _series_of(path, asked)]


def _series_of(path: Path, asked: int | str) -> list[Path]:
    try:
        if is_zarr(path):
            images = list_images(path)
            names = [each.relative_to(path).as_posix() for each in images]
        else:
            names = _format(path).image_names(path)
            several = range(len(names)) if len(names) > 1 else ()
            images = [series_path(path, n) for n in several] or [path]
    except InputError:
        # The fault is reported when the file is opened.
        return [path]
    if asked == "all":
        return images
    if isinstance(asked, str):
        return [images[image_number(names, asked, path)]]
    return [images[asked] if asked < len(images) else series_path(path, asked)]


def members(path: Path) -> tuple[Path, ...]:
    """Return every file of the set that an image is spread over, the path itself first.

    Cheap for files that are no member of a set, which are not opened any further.
    """
    try:
        return _format(path).members(path) if os.path.isfile(path) else (path,)
    except InputError:
        # The fault is reported when the file is opened.
        return (path,)


def open_image(
    path: Path | str,
    *,
    series: int | str | None = None,
    axes: str = "",
    stored: bool = False,
    level: int = 0,
) -> OpenedImage:
    """Open an image or a stack without reading its pixels.

    Pixels come as they are stored, but for these: white that is stored as 0 is turned, so that
    bright is high; numbers of palette colours become colours, unless the palette grows brighter
    with them, when they are intensities; transparency is dropped. The orientation that a camera
    notes in a JPEG is not applied, so that labels fit the file.

    Parameters
    ----------
    path : path
        TIFF, OME-TIFF, ImageJ hyperstack, the TIFF dialects of microscopes and slide scanners,
        OME-Zarr, PNG or JPEG; ND2, LIF and CZI with the extra "formats". Told by content, not by
        name.
    series : int or str, optional
        Number of the image in a file of several, from 0, or its name; the first one by default,
        with a note that lists them. A path can say so, too: ``cells.ome.tif[1]``.
    axes : str, optional
        The axes that it will be taken by. They decide only about palettes: with S these are
        colours, without it the values.
    stored : bool
        Whether values stay as they are stored, for labels and masks: those of palettes, and of
        white that is stored as 0.
    level : int
        Level of the pyramid of a TIFF file or OME-Zarr; 0 is the full resolution, and pixels of
        the others are larger.

    Returns
    -------
    OpenedImage

    Raises
    ------
    InputError
        If there is no such file, or it is no image that can be read.

    Examples
    --------
    >>> with open_image("cells.tif") as image:  # doctest: +SKIP
    ...     print(image.describe())
    TZYX 3 x 5 x 512 x 512 uint16, pixel 0.1 x 0.1 um
    """
    if _ADDRESS.match(str(path)):
        # A path has lost one of the slashes.
        address = re.sub(":/+", "://", str(path), count=1)
        raise InputError(
            f"{address} is an address; only files on this machine are read. Download it first, or "
            "mount it as a folder."
        )
    given = Path(path)
    path, number = split_series(given)
    series = number if series is None else series
    request = ReadRequest(series, axes, stored, level)
    try:
        opened = _format(path).open(path, request)
    except UnidentifiedImageError as error:
        known = path.suffix.lower() in SUFFIXES
        kind = "is not what its name says: no image" if known else "is no image that can be read"
        raise InputError(
            f"{path} {kind}. Accepted are {ACCEPTED}; save or export it as one of these."
        ) from error
    opened = replace(opened, path=given)
    try:
        _check_pixels(opened)
    except InputError:
        opened.close()
        raise
    return opened


def _format(path: Path) -> FileFormat:
    """Return the format of a file or folder by its content."""
    return format_of(path, b"" if is_zarr(path) else _first_bytes(path))


def _first_bytes(path: Path) -> bytes:
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; give an image file.")
    try:
        with path.open("rb") as file:
            magic = file.read(FIRST_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from error
    if not magic:
        raise InputError(f"{path} is empty (0 bytes).")
    return magic


def _check_pixels(image: OpenedImage) -> None:
    if image.dtype.kind not in "buif":
        raise InputError(
            f"{image.path} holds {image.dtype.name} pixels; accepted are booleans, integers and "
            "real floating-point numbers. Save its magnitude or real part."
        )
    if 0 in image.shape:
        raise InputError(f"{image.path} has shape {image.shape}, so there are no pixels in it.")
    if not {"Y", "X"} <= set(image.axes):
        raise InputError(f"{image.path} has axes {image.axes}; an image needs rows and columns.")
