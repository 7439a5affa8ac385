"""OME-Zarr: reading of images, plane by plane or by windows."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_segany.errors import InputError
from napari_segany.io.channel_names import usable
from napari_segany.io.pixel_size import PixelSize, from_names
from napari_segany.io.several_images import image_number
from napari_segany.io.zarr_codecs import check_codecs

MARKS = (".zattrs", "zarr.json", ".zgroup", ".zarray")
"""Files of which a Zarr folder has at least one."""

AXES_IN_ORDER = "TCZYX"
"""Order of axes in the format."""


def is_zarr(path: Path) -> bool:
    """Return True if a folder is in Zarr's format."""
    # Unlike methods of paths, these return False without permission.
    return os.path.isdir(path) and any(os.path.isfile(path / mark) for mark in MARKS)


class ZarrArray:
    """Lazy array in a Zarr folder, with plain errors for damaged chunks.

    Parameters
    ----------
    array : zarr.Array
        Array whose pixels are read.
    path : Path
        Path named in errors.
    """

    def __init__(self, array: Any, path: Path) -> None:
        self._array, self._path = array, path
        self.shape: tuple[int, ...] = tuple(int(n) for n in array.shape)
        self.ndim, self.size = len(self.shape), int(np.prod(self.shape, dtype=np.int64))
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks: tuple[int, ...] = tuple(array.chunks)

    def __getitem__(self, key: Any) -> NDArray[np.generic]:
        """Return the selected pixels; only the chunks that hold them are read."""
        try:
            return np.asarray(self._array[key])
        except IndexError:
            raise
        # Codecs fail in as many ways as there are.
        except Exception as error:
            raise InputError(
                f"{self._path}: a chunk of this plane cannot be decoded ({error}); copy it again."
            ) from error

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        return self[...].astype(dtype or self.dtype, copy=False)


def zarr_package() -> Any:
    """Return the package zarr.

    Raises
    ------
    InputError
        If it is not installed, with the command that installs it.
    """
    try:
        import zarr
    except ImportError as error:
        raise InputError(
            'OME-Zarr needs the package zarr: pip install "napari-segany[zarr]".'
        ) from error
    return zarr


def _attributes(path: Path) -> Mapping[str, Any]:
    """Return the attributes of a Zarr folder of either version; only OME's, if it has some."""
    found: Any = {}
    for name in (".zattrs", "zarr.json"):
        if (path / name).is_file():
            content = json.loads((path / name).read_text(encoding="utf-8"))
            found = content.get("attributes", {}) if name == "zarr.json" else content
    ome: Mapping[str, Any] = found.get("ome", found)
    return ome


def list_images(path: Path) -> list[Path]:
    """List the images in a Zarr folder: fields of a plate or well, images of a file, or itself.

    Raises
    ------
    InputError
        If the folder's own list cannot be read.
    """
    try:
        return _inside(path, _attributes(path))
    except InputError:
        raise
    # Metadata can be wrong in any way.
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    """Return the error for damaged metadata; Python's own text says nothing of the file."""
    why = f" ({error})" if isinstance(error, OSError | json.JSONDecodeError) else ""
    return InputError(f"{path} is damaged or no OME-Zarr image{why}.")


def _inside(path: Path, attributes: Mapping[str, Any]) -> list[Path]:
    if "multiscales" in attributes:
        return [path]
    if "plate" in attributes:
        wells = [_below(path, each["path"]) for each in attributes["plate"]["wells"]]
        # A well that is listed and not there is an image that fails, by its name.
        return [
            field
            for well in wells
            for field in (_inside(well, _attributes(well)) if well.is_dir() else [well])
        ]
    if "well" in attributes:
        return [_below(path, each["path"]) for each in attributes["well"]["images"]]
    # Converters put the images of a file into numbered groups.
    numbered = [p for p in path.iterdir() if p.name.isdecimal() and is_zarr(p)]
    return sorted(numbered, key=lambda p: int(p.name)) or [path]


def _below(path: Path, name: Any) -> Path:
    inner = path / str(name)
    if not Path(os.path.realpath(inner)).is_relative_to(os.path.realpath(path)):
        raise InputError(f"{path} lists {name}, which is outside of it. Copy it again, as a whole.")
    return inner


def holds_fields(path: Path) -> bool:
    """Return True for a Zarr folder that is a plate or a well of one."""
    try:
        return is_zarr(path) and not {"plate", "well"}.isdisjoint(_attributes(path))
    # The fault is reported when the file is opened.
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def open_zarr(
    path: Path, series: int | str | None = None, level: int = 0
) -> tuple[Any, str, PixelSize, tuple[str, ...]]:
    """Open one resolution of an image; return it with axes, pixel size and notes.

    Axes are empty for an array that does not name them.

    Parameters
    ----------
    path : Path
        A folder: OME-Zarr 0.1 to 0.5, or a plain array.
    series : int or str, optional
        Number of one of several images, from 0, or its path below the folder.
    level : int
        Level of the pyramid; 0 is the full resolution.

    Raises
    ------
    InputError
        If it is no image.
    """
    zarr = zarr_package()
    try:
        attributes = _attributes(path)
        images = _inside(path, attributes)
        if series is None and (len(images) > 1 or holds_fields(path)):
            raise InputError(_several(path, images))
        path = images[_number_of(path, images, series)]
        attributes = _attributes(path)
        if "multiscales" not in attributes:
            _check_level(path, level, 1)
            check_codecs(path)
            data = zarr.open(str(path), mode="r")
            if not hasattr(data, "shape"):
                raise InputError(f"{path} is a Zarr folder without an image in it.")
            return ZarrArray(data, path), "", {}, _missing_chunks(data)
        scales = attributes["multiscales"][0]
        if scales["datasets"]:
            _check_level(path, level, len(scales["datasets"]))
        chosen = scales["datasets"][level]
        data = _open_level(path, chosen)
        about = _axes_and_size(scales, chosen, data.ndim, path)
        return ZarrArray(data, path), *about, _missing_chunks(data)
    except InputError:
        raise
    # Metadata can be wrong in any way.
    except Exception as error:
        raise _damaged(path, error) from error


def _open_level(path: Path, dataset: Mapping[str, Any]) -> Any:
    """Open the array of a level, if its codecs only decode."""
    inside = _below(path, dataset["path"])
    check_codecs(inside)
    return zarr_package().open_array(str(inside), mode="r")


def coarser_levels(path: Path, series: int | str | None, level: int) -> list[ZarrArray]:
    """Open the levels of an image's pyramid after one.

    Raises
    ------
    InputError
        If one of them cannot be read.
    """
    try:
        images = _inside(path, _attributes(path))
        path = images[_number_of(path, images, series)]
        scales = _attributes(path).get("multiscales") or [{"datasets": []}]
        arrays = [_open_level(path, each) for each in scales[0]["datasets"][level + 1 :]]
        return [ZarrArray(each, path) for each in arrays]
    except InputError:
        raise
    # Metadata can be wrong in any way.
    except Exception as error:
        raise _damaged(path, error) from error


def _number_of(path: Path, images: list[Path], series: int | str | None) -> int:
    """Return the number of the selected image; images in a folder are named by their paths."""
    if isinstance(series, str):
        names = [each.relative_to(path).as_posix() for each in images]
        return image_number(names, series, path)
    if series is not None and not 0 <= series < len(images):
        raise InputError(f"There is no image {series} in {path}; it holds 0..{len(images) - 1}.")
    return series or 0


def _check_level(path: Path, level: int, count: int) -> None:
    if not 0 <= level < count:
        known = f"levels 0..{count - 1}" if count > 1 else "only level 0"
        raise InputError(f"There is no level {level} in {path}; it has {known}.")


def channel_labels(path: Path, series: int | str | None, count: int) -> tuple[str, ...]:
    """Return the names of the channels of an image; empty if it does not name each of ``count``."""
    try:
        images = _inside(path, _attributes(path))
        inside = images[_number_of(path, images, series)]
        channels = _attributes(inside)["omero"]["channels"]
        return usable([each["label"] for each in channels], count)
    # Metadata can be wrong in any way, and channels without names have numbers.
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, OSError, InputError):
        return ()


def _missing_chunks(data: Any) -> tuple[str, ...]:
    """Return a note about chunks that are not stored, which the format reads silently."""
    missing = data.nchunks - data.nchunks_initialized
    if not missing:
        return ()
    return (
        f"{missing} of its {data.nchunks} chunks are not stored and are read as {data.fill_value}. "
        "Blank chunks are left out so, and lost ones look the same; if it should have no blank "
        "parts, copy it again.",
    )


def _several(path: Path, images: list[Path]) -> str:
    names = [each.relative_to(path).as_posix() for each in images]
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    if not holds_fields(path):
        return (
            f"{path} holds several images ({shown}); give one, such as {images[0]}, or --series N "
            "or all."
        )
    if not names:
        return f"{path} is a plate without fields, so there is no image in it."
    return (
        f"{path} is a plate or a well with {len(names)} fields ({shown}). Give one of them, such "
        f"as {images[0]}; napari-segany segment takes the whole."
    )


def _axes_and_size(
    scales: Mapping[str, Any], level: Mapping[str, Any], ndim: int, path: Path
) -> tuple[str, PixelSize]:
    given = scales.get("axes") or AXES_IN_ORDER[-ndim:].lower()
    entries = [{"name": each} if isinstance(each, str) else each for each in given]
    axes = "".join(str(each["name"])[:1].upper() for each in entries)
    if len(axes) != ndim:
        raise InputError(
            f"{path} names {len(axes)} axes ({axes}) and its array has {ndim}; it is damaged."
        )
    steps, is_sized = np.ones(ndim), False
    for transforms in (level, scales):
        for each in transforms.get("coordinateTransformations") or ():
            if each.get("type") == "scale" and "scale" in each:
                steps, is_sized = steps * np.asarray(each["scale"], float), True
    if not is_sized:
        return axes, {}
    units = {a: str(e["unit"]) for a, e in zip(axes, entries, strict=True) if e.get("unit")}
    return axes, from_names(dict(zip(axes, steps.tolist(), strict=True)), units)
