"""Labels and maps as OME-TIFF with axes and pixel size: the same bytes for the same pixels."""

import hashlib
import tempfile
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_segany.core.label_images import check_largest
from napari_segany.core.planes import Box
from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize, to_ome, to_resolution
from napari_segany.io.safe_names import shown

_IN_MEMORY = 64 * 2**20
"""Compressed bytes kept before the rest goes to a temporary file."""

_BLOCK = 2**20
"""Pixels that are compressed together; bounds memory for large planes."""

TILE = 1024
"""Side of the tiles in which large planes are written, in pixels."""

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
    tiled : bool
        True for planes that are not in memory as a whole: they are added and written in tiles.

    Raises
    ------
    InputError
        If OME-TIFF has no place for so many axes.
    """

    def __init__(self, axes: str, shape: tuple[int, ...], tiled: bool = False) -> None:
        self.axes = ome_axes(axes)
        self.shape, self.tiled = shape, tiled
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
        for block in self._blocks():
            self._add_block(plane[block])

    def add_windows(self, window: Callable[[Box], NDArray[np.integer]]) -> None:
        """Append the next plane; ``window`` gives the (h, w) ids of a box of it.

        Raises
        ------
        InputError
            As for :meth:`add`.
        """
        for rows, cols in self._blocks():
            self._add_block(window((rows.start, cols.start, rows.stop, cols.stop)))

    def _add_block(self, block: NDArray[np.integer]) -> None:
        if not block.any():
            # Most tiles of a slide hold no object, nor do planes that were left out: nothing is
            # kept of them but their place.
            self._hash.update(b"background")
            self._sizes.append(0)
            return
        if block.dtype.kind == "i" and block.min(initial=0) < 0:
            raise InputError("Labels must not be negative.")
        check_largest(int(block.max(initial=0)), np.iinfo(np.uint32).max)
        self._largest = max(self._largest, int(block.max(initial=0)))
        raw = block.astype("<u4").tobytes()
        self._hash.update(raw)
        packed = zlib.compress(raw, level=1)
        self._sizes.append(len(packed))
        self._spool.write(packed)

    def _blocks(self) -> list[tuple[slice, slice]]:
        """Return the parts of a plane that are kept together: tiles, or as many whole rows."""
        height, width = self.shape[-2:]
        down, across = (TILE, TILE) if self.tiled else (max(1, _BLOCK // width), width)
        return [
            (slice(top, min(top + down, height)), slice(left, min(left + across, width)))
            for top in range(0, height, down)
            for left in range(0, width, across)
        ]

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Smallest type for the ids so far."""
        return np.dtype(np.uint16 if self._largest < 2**16 else np.uint32)

    def blocks(self) -> Iterator[tuple[slice, slice, NDArray[np.unsignedinteger] | None]]:
        """Iterate over the parts of all planes in order: rows, columns and ids of each.

        Parts without any object have None for their ids.
        """
        self._spool.seek(0)
        within = self._blocks()
        for number, size in enumerate(self._sizes):
            rows, cols = within[number % len(within)]
            if not size:
                yield rows, cols, None
                continue
            flat = np.frombuffer(zlib.decompress(self._spool.read(size)), "<u4")
            ids = flat.reshape(rows.stop - rows.start, cols.stop - cols.start)
            yield rows, cols, ids.astype(self.dtype)

    def planes(self) -> Iterator[NDArray[np.unsignedinteger]]:
        """Iterate over all planes in order, as they are written."""
        height, width = self.shape[-2:]
        plane = np.empty((0, 0), self.dtype)
        for rows, cols, ids in self.blocks():
            if not rows.start and not cols.start:
                plane = np.empty((height, width), self.dtype)
            plane[rows, cols] = 0 if ids is None else ids
            if (rows.stop, cols.stop) == (height, width):
                yield plane

    def _pages(self) -> Iterator[NDArray[np.unsignedinteger] | bytes]:
        """Iterate over what tifffile writes: planes, or compressed tiles, the last ones full."""
        if not self.tiled:
            yield from self.planes()
            return
        background = _compressed(np.zeros((TILE, TILE), self.dtype))
        for _, _, ids in self.blocks():
            if ids is None:
                yield background
            else:
                yield _compressed(np.pad(ids, [(0, TILE - n) for n in ids.shape]))

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
        pages, tile = self._pages(), (TILE, TILE) if self.tiled else None
        save_planes(path, pages, self.axes, self.shape, self.dtype, pixel_size, name, digest, tile)

    def __enter__(self) -> "LabelStack":
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()


def _compressed(tile: NDArray[np.unsignedinteger]) -> bytes:
    """Return a tile as TIFF stores it: differences along rows (predictor 2), then zlib."""
    # Differences of unsigned numbers wrap, and sums of them wrap back.
    return zlib.compress(np.diff(tile, axis=1, prepend=tile.dtype.type(0)).tobytes())


def save_planes(
    path: Path,
    planes: Iterator[NDArray[np.generic] | bytes],
    axes: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    pixel_size: PixelSize,
    name: str,
    digest: bytes,
    tile: tuple[int, int] | None = None,
) -> None:
    """Write planes as OME-TIFF, one after the other.

    Parameters
    ----------
    path : Path
        File to write.
    planes : iterator of ndarray or bytes
        (Y, X) each, of the given type; bytes are those of a compressed tile.
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
    tile : tuple of int, optional
        Rows and columns of a tile; ``planes`` gives the tiles then, row by row.

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
    # Either all are arrays or all are bytes, which tifffile's types tell apart.
    pages: Any = planes
    with tifffile.TiffWriter(path, ome=True, bigtiff=nbytes > _CLASSIC_LIMIT) as writer:
        writer.write(
            pages,
            shape=shape,
            dtype=dtype,
            tile=tile,
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
