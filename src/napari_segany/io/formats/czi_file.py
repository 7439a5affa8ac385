"""CZI, the format of Zeiss's ZEN; its blocks are read by the package czifile, plane by plane."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.io.formats.file_format import FileFormat, ReadRequest
from napari_segany.io.formats.scenes import (
    Scene,
    import_reader,
    micrometres,
    open_scene,
    plain_errors,
)
from napari_segany.io.opened_image import OpenedImage
from napari_segany.io.pixel_size import PixelSize, keep_known

_MAGIC = b"ZISRAWFILE"

_BESIDE = ("X", "Y", "S", "M")
"""Dimensions of a block that do not count planes: its position, the scene, the tile."""

_ORDER = "TZC"
"""Order of the axes that count planes, behind those of other names."""


@dataclass(frozen=True)
class _Block:
    """Rectangle of pixels in one plane, as the file stores it.

    Attributes
    ----------
    place : mapping
        Index along every dimension but rows and columns.
    row, col, height, width : int
        Rectangle in the plane.
    scene, tile : int
        Numbers of the scene and of the tile of a mosaic; tiles of higher numbers lie on top.
    dtype : dtype
        Type of a pixel.
    samples : int
        Values of a pixel: 1, 3 or 4.
    read : callable
        Returns the pixels with all axes, most of length 1.
    """

    place: dict[str, int]
    row: int
    col: int
    height: int
    width: int
    scene: int
    tile: int
    dtype: np.dtype[Any]
    samples: int
    read: Callable[[], NDArray[np.generic]]


def _matches(path: Path, first: bytes) -> bool:
    return first.startswith(_MAGIC)


def _file(path: Path) -> Any:
    reader = import_reader("czifile", "formats", path, "a CZI file")
    with plain_errors(path, "CZI"):
        return reader.CziFile(path)


def open_czi(path: Path, request: ReadRequest) -> OpenedImage:
    """Open one scene of a CZI file; see :class:`FileFormat`."""
    file = _file(path)
    try:
        with plain_errors(path, "CZI"):
            return open_scene(path, scenes_of(file), request, "a CZI", file.close)
    except BaseException:
        file.close()
        raise


def image_names(path: Path) -> list[str]:
    """Return the names of the scenes; see :class:`FileFormat`."""
    with _file(path) as file, plain_errors(path, "CZI"):
        return [scene.name for scene in scenes_of(file)]


def scenes_of(file: Any) -> list[Scene]:
    """Return the scenes of an open ``czifile.CziFile``; blocks of coarser levels are left out."""
    metadata = _Metadata.of(file.metadata())
    by_scene: dict[int, list[_Block]] = defaultdict(list)
    for entry in file.subblock_directory:
        block = _block(file, entry)
        if block is not None:
            by_scene[block.scene].append(block)
    return [
        _scene(blocks, metadata, metadata.scenes.get(number, ""))
        for number, blocks in sorted(by_scene.items())
    ]


def _block(file: Any, entry: Any) -> _Block | None:
    """Return a block of an entry of the directory; None for one of a coarser level."""
    if hasattr(entry, "dimension_entries"):
        starts = {each.dimension: int(each.start) for each in entry.dimension_entries}
        sizes = {each.dimension: int(each.size) for each in entry.dimension_entries}
        stored = {each.dimension: int(each.stored_size) for each in entry.dimension_entries}
        scene, tile = starts.get("S", 0), starts.get("M", 0)
        pixel = np.dtype(entry.dtype)
        samples, dtype = int(np.prod(pixel.shape, dtype=int)), pixel.base

        def read() -> NDArray[np.generic]:
            return np.asarray(entry.data_segment().data(resize=False))
    else:
        # From 2026 on the package names the fields otherwise.
        names = entry.dims[:-1]
        starts = dict(zip(names, map(int, entry.start[:-1]), strict=True))
        sizes = dict(zip(names, map(int, entry.shape[:-1]), strict=True))
        stored = dict(zip(names, map(int, entry.stored_shape[:-1]), strict=True))
        scene, tile = max(int(entry.scene_index), 0), max(int(entry.mosaic_index), 0)
        samples, dtype = int(entry.shape[-1]), np.dtype(entry.dtype)

        def read() -> NDArray[np.generic]:
            return np.asarray(entry.read_segment_data(file).data())

    if (stored["X"], stored["Y"]) != (sizes["X"], sizes["Y"]):
        return None
    if any(size != 1 for name, size in sizes.items() if name not in _BESIDE):
        raise InputError(
            "A CZI file with several planes in a block is not read; save it as OME-TIFF."
        )
    place = {name: start for name, start in starts.items() if name not in _BESIDE}
    corner = starts["Y"], starts["X"], sizes["Y"], sizes["X"]
    return _Block(place, *corner, scene, tile, dtype, samples, read)


def _scene(blocks: Sequence[_Block], metadata: "_Metadata", name: str) -> Scene:
    dimensions = {each for block in blocks for each in block.place}
    first = {d: min(block.place.get(d, 0) for block in blocks) for d in dimensions}
    length = {d: max(block.place.get(d, 0) for block in blocks) - first[d] + 1 for d in dimensions}
    others = sorted(d for d in dimensions if d not in _ORDER)
    leading = [d for d in (*others, *_ORDER) if length.get(d, 1) > 1]
    top, left = min(b.row for b in blocks), min(b.col for b in blocks)
    size = max(b.row + b.height for b in blocks) - top, max(b.col + b.width for b in blocks) - left
    samples = max(block.samples for block in blocks)
    dtype = np.result_type(*{block.dtype for block in blocks})
    planes: dict[tuple[int, ...], list[_Block]] = defaultdict(list)
    for block in sorted(blocks, key=lambda block: block.tile):
        planes[tuple(block.place.get(d, 0) - first[d] for d in leading)].append(block)
    page = (*size, samples) if samples > 1 else size

    def read(index: tuple[int, ...]) -> NDArray[np.generic]:
        pixels = np.zeros((*size, samples), dtype)
        for block in planes.get(index, ()):
            row, col = block.row - top, block.col - left
            shape = block.height, block.width, block.samples
            pixels[row : row + block.height, col : col + block.width] = block.read().reshape(shape)
        return pixels.reshape(page)

    return Scene(
        name,
        "".join(leading) + ("YXS" if samples > 1 else "YX"),
        (*(length[d] for d in leading), *page),
        np.dtype(dtype),
        len(page),
        read,
        metadata.pixel_size,
        metadata.channels,
    )


@dataclass(frozen=True)
class _Metadata:
    """Pixel size, and names of channels and scenes, in the file's XML."""

    pixel_size: PixelSize
    channels: tuple[str, ...]
    scenes: dict[int, str]

    @classmethod
    def of(cls, xml: Any) -> "_Metadata":
        """Read them; metadata that cannot be parsed states nothing."""
        try:
            root = ElementTree.fromstring(xml if isinstance(xml, bytes) else str(xml).encode())
        except ElementTree.ParseError:
            return cls({}, (), {})
        stated: dict[str, tuple[Any, Any]] = {}
        for each in root.findall(".//Scaling/Items/Distance"):
            stated[str(each.get("Id"))] = micrometres(_number(each.findtext("Value")))
        about = ".//Information/Image/Dimensions"
        interval = root.findtext(f"{about}/T/Positions/Interval/Increment")
        stated["T"] = (_number(interval), "s")
        channels = root.findall(f"{about}/Channels/Channel")
        scenes = root.findall(f"{about}/S/Scenes/Scene")
        return cls(
            keep_known({axis: step for axis, step in stated.items() if axis in tuple("TZYX")}),
            tuple(each.get("Name") or each.get("Id") or "" for each in channels),
            {int(_number(each.get("Index"))): each.get("Name") or "" for each in scenes},
        )


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


CZI = FileFormat("CZI", (".czi",), _matches, open_czi, image_names)
