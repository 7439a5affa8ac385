"""Labels and maps as OME-TIFF with axes and pixel size: the same bytes for the same pixels."""

import hashlib
import tempfile
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_segany.core.label_images import check_largest
from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize, to_ome, to_resolution
from napari_segany.io.safe_names import shown

_IN_MEMORY = 64 * 2**20
"""Compressed bytes kept before the rest goes to a temporary file."""

_BLOCK = 2**20
"""Pixels that are compressed together; bounds memory for large planes."""

_CLASSIC_LIMIT = 2**32 - 2**25
"""Uncompressed size from which on a file is written as BigTIFF."""


class LabelStack:
    """Label planes on their way into one file.

    The type of the file (uint16, or uint32 from 65,536 objects on) depends on the last plane, so
    planes are kept compressed until :meth:`save`; memory stays bounded by spilling them to disk.

    Parameters
    ----------
    axes : str
        Axes of the whole, ending in "YX".
    shape : tuple of int
        Its shape.

    Raises
    ------
    InputError
        If OME-TIFF has no place for so many axes.
    """

    def __init__(self, axes: str, shape: tuple[int, ...]) -> None:
        self.axes = ome_axes(axes)
        self.shape = shape
        self._spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._sizes: list[int] = []
        self._hash = hashlib.sha256(repr((self.axes, shape)).encode())
        self._largest = 0

    def add(self, plane: NDArray[np.integer]) -> None:
        """Append the next plane, (Y, X) with ids unique over the stack.

        Raises
        ------
        InputError
            If an id is negative, or larger than the files can hold.
        """
        if plane.dtype.kind == "i" and plane.min(initial=0) < 0:
            raise InputError("Labels must not be negative.")
        check_largest(int(plane.max(initial=0)), np.iinfo(np.uint32).max)
        self._largest = max(self._largest, int(plane.max(initial=0)))
        for rows in self._blocks():
            raw = plane[rows].astype("<u4").tobytes()
            self._hash.update(raw)
            packed = zlib.compress(raw, level=1)
            self._sizes.append(len(packed))
            self._spool.write(packed)

    def _blocks(self) -> list[slice]:
        """Return the rows of a plane that are kept together."""
        height, width = self.shape[-2:]
        step = max(1, _BLOCK // width)
        return [slice(start, start + step) for start in range(0, height, step)]

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Smallest type for the ids so far."""
        return np.dtype(np.uint16 if self._largest < 2**16 else np.uint32)

    def planes(self) -> Iterator[NDArray[np.unsignedinteger]]:
        """Iterate over all planes in order, as they are written."""
        self._spool.seek(0)
        blocks, width = self._blocks(), self.shape[-1]
        for start in range(0, len(self._sizes), len(blocks)):
            plane = np.empty(self.shape[-2:], self.dtype)
            for rows, size in zip(blocks, self._sizes[start:], strict=False):
                flat = np.frombuffer(zlib.decompress(self._spool.read(size)), "<u4")
                plane[rows] = flat.reshape(-1, width)
            yield plane

    def save(self, path: Path, pixel_size: PixelSize, name: str) -> None:
        """Write all planes.

        OME-TIFF keeps axes and pixel size for tifffile, Fiji and napari whatever the type; the
        plain resolution tags are for programs that read nothing else.

        Parameters
        ----------
        path : Path
            File to write.
        pixel_size : mapping
            Pixel size of the image that the labels belong to.
        name : str
            Name of the image inside the file.
        """
        digest = self._hash.digest()
        save_planes(
            path, self.planes(), self.axes, self.shape, self.dtype, pixel_size, name, digest
        )

    def __enter__(self) -> "LabelStack":
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()


def save_planes(
    path: Path,
    planes: Iterator[NDArray[np.generic]],
    axes: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    pixel_size: PixelSize,
    name: str,
    digest: bytes,
) -> None:
    """Write planes as OME-TIFF, one after the other.

    Parameters
    ----------
    path : Path
        File to write.
    planes : iterator of ndarray
        (Y, X) each, of the given type.
    axes, shape : str, tuple of int
        Axes and shape of all planes together.
    dtype : dtype
        Type of the pixels in the file.
    pixel_size : mapping
        Pixel size of the image that the planes belong to.
    name : str
        Name of the image inside the file.
    digest : bytes
        Names the content; a random identifier or a date would make each run's file different.

    Raises
    ------
    InputError
        If OME-TIFF has no place for so many axes.
    """
    resolution = to_resolution(pixel_size)
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    identity = uuid.UUID(bytes=digest[:16], version=4)
    metadata = {
        "axes": ome_axes(axes),
        # XML has no place for control characters.
        "Name": shown(name),
        "Creator": "napari-segany",
        "UUID": f"urn:uuid:{identity}",
        **to_ome(pixel_size),
    }
    with tifffile.TiffWriter(path, ome=True, bigtiff=nbytes > _CLASSIC_LIMIT) as writer:
        writer.write(
            planes,
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            compression="zlib",
            # That for floating point is unknown to ImageJ.
            predictor=dtype.kind in "ui",
            software=False,
            metadata=metadata,
            resolution=resolution,
            resolutionunit="CENTIMETER" if resolution else None,
        )


def ome_axes(axes: str) -> str:
    """Return axes that OME knows: unnamed ones become Z, T or C, whichever is free.

    Raises
    ------
    InputError
        If OME-TIFF has no place for so many axes.

    Examples
    --------
    >>> ome_axes("QYX")
    'ZYX'
    """
    free = [letter for letter in "ZTC" if letter not in axes]
    out = []
    for letter in axes:
        if letter in "QI":
            if not free:
                raise InputError(
                    f"Labels with axes {axes} have too many dimensions for "
                    "OME-TIFF and OME-Zarr; split the image into files of at most five."
                )
            out.append(free.pop(0))
        else:
            out.append(letter)
    return "".join(out)
