"""Opening images: what the axes are, how large a pixel is, and the planes when they are needed."""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_segany.core.planes import guess_axes
from napari_segany.errors import InputError
from napari_segany.io import pixel_size as sizes
from napari_segany.io.ome_files import ome_files
from napari_segany.io.ome_zarr import holds_fields, is_zarr, list_images, open_zarr
from napari_segany.io.pixel_size import PixelSize
from napari_segany.io.tiff_pages import TiffPages

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg")
"""Names of files that can be read, in lower case."""

ACCEPTED = "TIFF (also OME-TIFF and ImageJ), OME-Zarr, PNG and JPEG"

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_UNNAMED = "QIZT"
"""Letters for axes without a name of their own, in the order they are given out."""

_COLOUR_SAMPLES = (1, 3, 4)


@dataclass(frozen=True, eq=False)
class OpenedImage:
    """An image file that is open for reading; use it in a ``with`` statement or close it.

    Attributes
    ----------
    path : Path
        The file.
    data : array
        Has ``shape``, ``dtype`` and indexing; pixels are read when they are indexed.
    axes : str
        One letter a dimension; see :data:`napari_segany.core.planes.KNOWN_AXES`.
    pixel_size : mapping
        Size and unit of a step along those axes for which the file states it.
    images_in_file : int
        This is the first of so many.
    files : tuple of Path
        Every file that its pixels may come from; a folder stands for all that is in it.
    """

    path: Path
    data: Any
    axes: str
    pixel_size: PixelSize = field(default_factory=dict)
    images_in_file: int = 1
    files: tuple[Path, ...] = ()
    _close: Callable[[], None] = field(default=lambda: None, repr=False)

    @property
    def name(self) -> str:
        """The file's name without ``.tif``, ``.ome.tif`` and so on."""
        return stem(self.path)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    def describe(self, axes: str = "") -> str:
        """What was understood of the file, on one line.

        Parameters
        ----------
        axes : str, optional
            The axes to state in place of the file's own.
        """
        size = " x ".join(str(n) for n in self.shape)
        parts = [f"{axes or self.axes} {size} {self.dtype.name}"]
        parts += [text for text in [sizes.describe(self.pixel_size)] if text]
        if self.images_in_file > 1:
            parts.append(f"first of {self.images_in_file} images in the file")
        return ", ".join(parts)

    def close(self) -> None:
        """Close the file; ``data`` must not be used any more."""
        self._close()

    def __enter__(self) -> "OpenedImage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def stem(path: Path) -> str:
    """Name of an image file without its suffix, ``.ome`` included.

    An image inside a Zarr folder is called after both: ``plate.zarr/A/1/0`` is ``plate_A_1_0``.
    """
    for outer in path.parents:
        if outer.suffix.lower() == ".zarr":
            return "_".join([stem(outer), *path.relative_to(outer).parts])
    return path.stem.removesuffix(".ome") or path.stem


def expand_containers(path: Path) -> list[Path]:
    """The images that a path stands for: the fields of an OME-Zarr plate, else the path itself."""
    try:
        return (list_images(path) if holds_fields(path) else []) or [path]
    except InputError:
        # Whoever opens it says what is wrong.
        return [path]


def members(path: Path) -> tuple[Path, ...]:
    """Every file of the set that an image is spread over, the path itself first.

    Cheap for files that are no member of a set, which are not opened any further.
    """
    if path.is_dir() or not path.is_file() or _first_bytes(path) not in _TIFF_MAGIC:
        return (path,)
    with _complaints():
        try:
            with tifffile.TiffFile(path) as tiff:
                spread = tiff.is_ndtiff or len(ome_files(tiff.ome_metadata or "")) > 1
                return _files(path, tiff.series[0]) if spread else (path,)
        # Whoever opens it says what is wrong.
        except Exception:
            return (path,)


def open_image(path: Path | str) -> OpenedImage:
    """Open an image or a stack without reading its pixels.

    Pixels come as they are stored: the orientation that a camera notes in a JPEG is not applied,
    so that labels fit the file. Alpha is dropped. Palettes of PNG files become colours; those of
    TIFF files are look-up tables for display, so the stored intensities are taken.

    Parameters
    ----------
    path : path
        TIFF, OME-TIFF, ImageJ hyperstack, OME-Zarr, PNG or JPEG; told by content, not by name.

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
    path = Path(path)
    if is_zarr(path):
        opened = _open_zarr(path)
    else:
        magic = _first_bytes(path)
        opened = _open_tiff(path) if magic in _TIFF_MAGIC else _open_picture(path)
    try:
        _check_pixels(opened)
    except InputError:
        opened.close()
        raise
    return opened


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a folder; give an image file.")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
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


def _open_tiff(path: Path) -> OpenedImage:
    damaged = f"{path} is a damaged or truncated TIFF file"
    with _complaints() as complaints:
        return _open_tiff_listening(path, damaged, complaints)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What tifffile logs meanwhile in this thread; it reads on where we had rather stop."""
    said: list[str] = []
    here = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread == here:
            said.append(record.getMessage())
        return record.thread != here

    logger = logging.getLogger("tifffile")
    level = logger.level
    logger.addFilter(keep)
    logger.setLevel(min(level or logging.WARNING, logging.WARNING))
    try:
        yield said
    finally:
        logger.removeFilter(keep)
        logger.setLevel(level)


def _open_tiff_listening(path: Path, damaged: str, complaints: list[str]) -> OpenedImage:
    try:
        tiff = tifffile.TiffFile(path)
    except Exception as error:
        raise InputError(f"{damaged} ({error}); copy or save it again.") from error
    try:
        if not len(tiff.pages) or not tiff.series:
            raise InputError(f"{path} is a TIFF file without pages, so there is no image in it.")
        series = tiff.series[0]
        if any("invalid page offset" in text for text in complaints):
            raise InputError(
                f"{path} is truncated: its list of pages is cut off after page {len(tiff.pages)}. "
                "Copy it again."
            )
        _check_complete(series, path)
        if series.keyframe.photometric == tifffile.PHOTOMETRIC.SEPARATED:
            raise InputError(f"{path} is in printing colours (CMYK); save it as RGB or gray.")
        return OpenedImage(
            path=path,
            data=_tiff_data(tiff, series, path),
            axes=to_known_axes(series.axes, series.shape),
            pixel_size=_tiff_pixel_size(tiff, series),
            images_in_file=len(tiff.series),
            files=_files(path, series),
            _close=tiff.close,
        )
    except InputError:
        tiff.close()
        raise
    # tifffile reads tags as it goes, so a damaged file can fail anywhere in any way.
    except Exception as error:
        tiff.close()
        raise InputError(f"{damaged} ({error}); copy or save it again.") from error


def _tiff_data(tiff: tifffile.TiffFile, series: Any, path: Path) -> Any:
    offset = series.dataoffset
    if offset is not None and series.keyframe.parent is tiff:
        dtype = series.dtype.newbyteorder(tiff.byteorder)
        return np.memmap(path, dtype, mode="r", offset=offset, shape=tuple(series.shape))
    if TiffPages.can_read(series):
        return TiffPages(series, str(path))
    # Pages that interleave several axes: rare, and there is no lazy way without more packages.
    return series.asarray()


def _files(path: Path, series: Any) -> tuple[Path, ...]:
    """OME-TIFF can spread an image over several files."""
    names = {page.parent.filehandle.path for page in series.pages if page is not None}
    return (path, *sorted({Path(name) for name in names} - {path, path.absolute(), path.resolve()}))


def _open_zarr(path: Path) -> OpenedImage:
    data, axes, pixel_size = open_zarr(path)
    shape = tuple(int(n) for n in data.shape)
    known = to_known_axes(axes, shape) if axes else guess_axes(shape)
    return OpenedImage(path, data, known, pixel_size, files=(path,))


def _check_complete(series: Any, path: Path) -> None:
    """Tell of a cut-off file now rather than after hours, at its last plane."""
    ends = [
        (page.parent.filehandle, offset + count)
        for page in series.pages
        if page is not None
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    ]
    if series.dataoffset is not None:
        nbytes = int(np.prod(series.shape, dtype=np.int64)) * series.dtype.itemsize
        ends.append((series.keyframe.parent.filehandle, series.dataoffset + nbytes))
    for file, end in ends:
        if end > file.size:
            raise InputError(
                f"{path} is truncated: it should go on to byte {end} but ends at {file.size}. "
                "Copy it again."
            )


def _tiff_pixel_size(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    tags = {
        name: series.keyframe.tags.valueof(name)
        for name in ("XResolution", "YResolution", "ResolutionUnit")
        if name in series.keyframe.tags
    }
    if tiff.is_ome and tiff.ome_metadata:
        return sizes.from_ome(tiff.ome_metadata)
    if tiff.is_imagej and "unit" in (metadata := tiff.imagej_metadata or {}):
        return sizes.from_imagej(metadata, tags)
    return sizes.from_resolution_tags(tags)


def to_known_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Axes as tifffile names them, in the letters that this package knows.

    A stack of unnamed axes that looks like colour is colour, as when an (Y, X, 3) array was saved
    as it is; samples that are no colours are channels; axes without a known name of their own
    (lifetime, angle, phase, ...) become Q, I, Z or T, whichever is free.

    Raises
    ------
    InputError
        If there are more axes than letters.
    """
    if set(axes) <= set("QIYX") and len(axes) > 2 and guess_axes(shape[-3:]) == "YXS":
        axes = axes[:-3] + "YXS"
    out: list[str] = []
    for letter, length in zip(axes, shape, strict=True):
        if letter == "S" and length not in _COLOUR_SAMPLES and "C" not in axes:
            out.append("C")
            continue
        if letter in "TZCYXSQI" and letter not in out:
            out.append(letter)
            continue
        free = [name for name in _UNNAMED if name not in out and name not in axes]
        if not free:
            raise InputError(
                f"An image with axes {axes} and shape {tuple(shape)} has too many dimensions; "
                "split it into files of at most five."
            )
        out.append(free[0])
    return "".join(out)


def _open_picture(path: Path) -> OpenedImage:
    try:
        pixels = _read_picture(path)
    except UnidentifiedImageError as error:
        known = path.suffix.lower() in SUFFIXES
        kind = "is not what its name says: no image" if known else "is no image that can be read"
        raise InputError(
            f"{path} {kind}. Accepted are {ACCEPTED}; save or export it as one of these."
        ) from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} is too large to be read at once ({error}). Save it as TIFF."
        ) from error
    # Pillow reports damage as OSError, SyntaxError, ValueError or struct.error.
    except Exception as error:
        raise InputError(f"{path} is damaged ({error}); copy or save it again.") from error
    return OpenedImage(path, pixels, "YX" if pixels.ndim == 2 else "YXS", files=(path,))


def _read_picture(path: Path) -> NDArray[np.generic]:
    with warnings.catch_warnings():
        # Pillow warns from 90 megapixels on, which is nothing unusual here.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=("PNG", "JPEG")) as picture:
            if picture.format == "PNG" and _is_deep_colour(path):
                # Pillow would cut 16-bit colours to 8 bits.
                from imagecodecs import png_decode

                deep = np.asarray(png_decode(path.read_bytes()))
                return deep[..., 0] if deep.shape[-1] == 2 else deep[..., :3]
            return _to_array(picture)


def _is_deep_colour(path: Path) -> bool:
    """Whether a PNG has 16 bits a sample and more than one sample, by its header."""
    with path.open("rb") as file:
        header = file.read(26)
    depth, colour_type = header[24], header[25]
    return depth == 16 and colour_type != 0


def _to_array(picture: Image.Image) -> NDArray[np.generic]:
    mode = picture.mode
    if mode in ("1", "L", "F") or mode.startswith("I"):
        return np.asarray(picture)
    if mode in ("LA", "La"):
        return np.asarray(picture.convert("L"))
    rgb = np.asarray(picture.convert("RGB"))
    gray_palette = mode in ("P", "PA") and (rgb == rgb[..., :1]).all()
    return rgb[..., 0] if gray_palette else rgb
