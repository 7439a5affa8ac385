"""Pixels of crops of a large plane, as the model's frame has them: read in strips, made smaller."""

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.geometry import Frame, resize
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.plane_windows import WindowedPlane
from napari_segany.models.object_size import FRAME_SIDE
from napari_segany.models.tiled.crops import Crop

STRIP_PIXELS = 1 << 22
"""Pixels of the plane that are read at once."""


def seen_shape(crop: Crop) -> tuple[int, int]:
    """Return (h, w) of a crop as the model gets it: at most 1024, and never enlarged."""
    return Frame(crop.shape, FRAME_SIDE).scaled if max(crop.shape) > FRAME_SIDE else crop.shape


def level_for(plane: WindowedPlane, crop: Crop) -> int:
    """Return the coarsest level that has a pixel for each one that the model sees of a crop."""
    shapes = plane.level_shapes
    wanted = max(seen_shape(crop)) / max(crop.shape)
    fine = [
        number
        for number, shape in enumerate(shapes)
        if all(own >= full * wanted - 1 for own, full in zip(shape, shapes[0], strict=True))
    ]
    return fine[-1]


def read_crop(
    plane: WindowedPlane,
    crop: Crop,
    limits: Limits | None,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.uint8]:
    """Return a crop as (h, w, 3) uint8, see :func:`seen_shape`.

    Parameters
    ----------
    plane : WindowedPlane
        The plane; no more than a strip of the crop is read at once.
    crop : Crop
        The crop.
    limits : tuple, Display or None
        Those of the whole plane, see :func:`napari_segany.core.plane_windows.sampled_limits`.
    should_stop : callable, optional
        Polled between strips.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True.
    """
    out = seen_shape(crop)
    if out == crop.shape:
        check(should_stop)
        rows, cols = slice(crop.top, crop.bottom), slice(crop.left, crop.right)
        return to_rgb(np.ascontiguousarray(plane.window(rows, cols)), limits)
    level = level_for(plane, crop)
    full, own = plane.level_shapes[0], plane.level_shapes[level]
    # In pixels of the level, as fractions.
    top, left, bottom, right = (
        edge * own[axis % 2] / full[axis % 2] for axis, edge in enumerate(crop.box)
    )
    step = (bottom - top) / out[0]
    cols = slice(floor(left), min(ceil(right), own[1]))
    at_once = max(1, int(STRIP_PIXELS / ((cols.stop - cols.start) * step)))
    parts = []
    for first in range(0, out[0], at_once):
        check(should_stop)
        last = min(first + at_once, out[0])
        low, high = top + first * step, top + last * step
        # Each pixel that is made depends on those within a step around it.
        rows = slice(
            max(floor(top), floor(low - step)), min(ceil(bottom), ceil(high + step), own[0])
        )
        strip = to_rgb(np.ascontiguousarray(plane.window(rows, cols, level)), limits)
        box = (
            left - cols.start,
            low - rows.start,
            min(right, cols.stop) - cols.start,
            min(high, rows.stop) - rows.start,
        )
        shape = last - first, out[1]
        parts.append(resize(strip, shape, Image.Resampling.BILINEAR, box))
    return np.concatenate(parts)
