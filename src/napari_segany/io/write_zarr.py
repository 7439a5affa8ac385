"""Labels as OME-Zarr, with a pyramid that is made level by level in bounded memory."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from napari_segany.io.ome_zarr import AXES_IN_ORDER, zarr_package
from napari_segany.io.pixel_size import PixelSize, to_name
from napari_segany.io.write_tiff import TILE, LabelStack

VERSION = "0.4"
"""Version of the format that is written: the one that most programs read."""

_TYPES = {"T": "time", "C": "channel"}
_CHUNK = TILE
"""Side of a chunk in pixels; a tile of a large plane is one."""

_SMALLEST = 256
"""Length of the longer side down to which levels are halved."""


def write_labels(stack: LabelStack, path: Path, pixel_size: PixelSize, name: str) -> None:
    """Write labels as OME-Zarr, with levels of half the size each.

    Parameters
    ----------
    stack : LabelStack
        All planes.
    path : Path
        Folder that is made.
    pixel_size : mapping
        Pixel size of the image that the labels belong to.
    name : str
        Name of the image inside.
    """
    zarr = zarr_package()
    order = sorted(range(len(stack.axes)), key=lambda k: AXES_IN_ORDER.index(stack.axes[k]))
    axes = [stack.axes[k] for k in order]
    levels: list[Any] = []
    shape = tuple(stack.shape[k] for k in order)
    while True:
        array = zarr.create_array(
            str(path / str(len(levels))),
            shape=shape,
            chunks=(*(1,) * (len(shape) - 2), *(min(n, _CHUNK) for n in shape[-2:])),
            dtype=stack.dtype,
            zarr_format=2,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        levels.append(array)
        if max(shape[-2:]) <= _SMALLEST:
            break
        shape = (*shape[:-2], *(-(-n // 2) for n in shape[-2:]))
    leading = stack.shape[:-2]
    places = [tuple(index[k] for k in order if k < len(leading)) for index in np.ndindex(*leading)]
    written = _write_full(levels[0], stack, places)
    for finer, coarser in pairwise(levels):
        written = {(place, row // 2, col // 2) for place, row, col in written}
        for place, row, col in sorted(written):
            _halve(finer, coarser, place, row, col)
    (path / ".zgroup").write_text('{"zarr_format": 2}\n')
    metadata = _metadata(axes, len(levels), pixel_size, name)
    (path / ".zattrs").write_text(json.dumps(metadata, indent=2) + "\n")


Chunk = tuple[tuple[int, ...], int, int]
"""Place along the leading axes, row and column of a chunk in the grid of chunks of its level."""


def _write_full(array: Any, stack: LabelStack, places: list[tuple[int, ...]]) -> set[Chunk]:
    """Write the full resolution: whole planes, or the tiles of large ones.

    Returns
    -------
    set
        The chunks that hold objects; the others are background everywhere, and are not stored.
    """
    written: set[Chunk] = set()
    if not stack.tiled:
        for place, plane in zip(places, stack.planes(), strict=True):
            array[place] = plane
            for row, top in enumerate(range(0, plane.shape[0], _CHUNK)):
                for col, left in enumerate(range(0, plane.shape[1], _CHUNK)):
                    if plane[top : top + _CHUNK, left : left + _CHUNK].any():
                        written.add((place, row, col))
        return written
    number = -1
    for rows, cols, ids in stack.blocks():
        number += not rows.start and not cols.start
        if ids is not None:
            array[(*places[number], rows, cols)] = ids
            written.add((places[number], rows.start // _CHUNK, cols.start // _CHUNK))
    return written


def _halve(finer: Any, coarser: Any, place: tuple[int, ...], row: int, col: int) -> None:
    """Write a chunk of a level from the level before."""
    height, width = coarser.shape[-2:]
    top, left = row * _CHUNK, col * _CHUNK
    bottom, right = min(top + _CHUNK, height), min(left + _CHUNK, width)
    # Every second pixel: ids cannot be averaged.
    read = slice(2 * top, 2 * bottom), slice(2 * left, 2 * right)
    part = finer[(*place, *read)][::2, ::2]
    coarser[(*place, slice(top, bottom), slice(left, right))] = part


def _metadata(axes: list[str], levels: int, sizes: PixelSize, name: str) -> dict[str, Any]:
    entries = []
    for axis in axes:
        unit = to_name(sizes[axis][1]) if axis in sizes else None
        entry = {"name": axis.lower(), "type": _TYPES.get(axis, "space")}
        entries.append(entry | ({"unit": unit} if unit else {}))
    steps = [sizes[a][0] if a in sizes else 1.0 for a in axes]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {
                    "type": "scale",
                    "scale": [
                        step * (2**level if axis in "YX" else 1)
                        for axis, step in zip(axes, steps, strict=True)
                    ],
                }
            ],
        }
        for level in range(levels)
    ]
    scales = {"version": VERSION, "name": name, "axes": entries, "datasets": datasets}
    return {"multiscales": [scales], "image-label": {"version": VERSION}}
