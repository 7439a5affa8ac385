"""Choice of the crop of a large plane that answers a prompt, from prompt, plane and sizes alone.

Crops are squares with sides of 64, 128, 256 ... pixels, on a grid of half their side, so that
prompts close to each other share one. What was asked before has no influence.
"""

from dataclasses import dataclass
from math import ceil, floor, log2

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.prompts import Prompt
from napari_segany.models.object_size import BEST_OBJECT_SIZE, FRAME_SIDE

SMALLEST_SIDE = 64
"""Shortest side of a crop in pixels; it is enlarged 16 times."""

ROOM = 3
"""Sides of a prompt's region, at least, in the side of its crop."""

MARGIN = 1 / 16
"""Part of a crop's side along its border where the region of a prompt must not lie."""

Region = tuple[float, float, float, float]
"""row_min, col_min, row_max, col_max in pixels, half-open."""


@dataclass(frozen=True, order=True)
class Crop:
    """A rectangle of a plane that is embedded as one.

    Attributes
    ----------
    side : int
        Side in pixels of the square that it was cut from the plane as.
    top, left, bottom, right : int
        Half-open rows and columns.
    """

    side: int
    top: int
    left: int
    bottom: int
    right: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Half-open (row_min, col_min, row_max, col_max)."""
        return self.top, self.left, self.bottom, self.right

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.bottom - self.top, self.right - self.left

    @property
    def cell(self) -> float:
        """Side in pixels of a cell of 256 along the longer side: the finest that masks resolve."""
        return max(self.shape) / (FRAME_SIDE // 4)


def side_for(object_size: float, best_size: float = BEST_OBJECT_SIZE) -> int:
    """Return the side of the crop in which an object has about the size that suits the model.

    Parameters
    ----------
    object_size : float
        Longer side of the object in pixels.
    best_size : float
        Longer side in pixels of a frame of 1024 at which the model answers best.

    Returns
    -------
    int
        A power of two, at least 64.
    """
    wanted = max(object_size, 1.0) * FRAME_SIDE / best_size
    return max(SMALLEST_SIDE, int(2 ** floor(log2(wanted) + 0.5)))


def crop_at(shape: tuple[int, int], side: int, region: Region) -> Crop:
    """Return the crop of a side, among those of its grid, in whose middle a region lies best.

    It lies within the plane of ``shape`` (H, W), and is the whole plane if its side is longer.
    """
    starts, ends = [], []
    for size, low, high in zip(shape, region[:2], region[2:], strict=True):
        step = side // 2
        start = floor(((low + high) / 2 - side / 2) / step + 0.5) * step
        start = max(0, min(start, size - side))
        starts.append(start)
        ends.append(min(size, start + side))
    return Crop(side, starts[0], starts[1], ends[0], ends[1])


def crop_of_box(box: NDArray[np.generic] | Region) -> Crop:
    """Return the crop with a half-open box that a candidate's ``crop_boxes`` names."""
    top, left, bottom, right = (int(n) for n in box)
    return Crop(max(bottom - top, right - left), top, left, bottom, right)


def holds(crop: Crop, region: Region, shape: tuple[int, int]) -> bool:
    """Return True if a region lies in a crop with a margin, but for the plane's own borders."""
    margin = crop.side * MARGIN
    return all(
        (start == 0 or low >= start + margin) and (end == size or high <= end - margin)
        for low, high, start, end, size in zip(
            region[:2], region[2:], crop.box[:2], crop.box[2:], shape, strict=True
        )
    )


def touches(crop: Crop, box: tuple[int, int, int, int], shape: tuple[int, int]) -> bool:
    """Return True if a mask's half-open box reaches the border of a crop inside the plane."""
    close = ceil(crop.cell)
    if box[2] <= box[0]:
        return False
    return any(
        (start > 0 and low < start + close) or (end < size and high > end - close)
        for low, high, start, end, size in zip(
            box[:2], box[2:], crop.box[:2], crop.box[2:], shape, strict=True
        )
    )


def union(regions: list[Region]) -> Region:
    """Return the smallest region that holds all of some."""
    low, high = np.array(regions)[:, :2].min(axis=0), np.array(regions)[:, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def longer_side(region: Region) -> float:
    """Return the longer side of a region in pixels."""
    return max(region[2] - region[0], region[3] - region[1])


def object_region(prompt: Prompt) -> Region | None:
    """Return the box of the object that a prompt states, by a box or a mask; None without."""
    if prompt.box is not None:
        a, b, c, d = prompt.box.tolist()
        return a, b, c + 1, d + 1
    if prompt.region is not None:
        a, b, c, d = prompt.region.boxes[0].tolist()
        return float(a), float(b), float(c), float(d)
    return None


def prompt_region(prompt: Prompt) -> Region:
    """Return the region of all that a prompt states: points, box and mask."""
    parts: list[Region] = []
    if prompt.points is not None:
        low, high = prompt.points.min(axis=0), prompt.points.max(axis=0) + 1
        parts.append((low[0], low[1], high[0], high[1]))
    if prompt.box is not None:
        a, b, c, d = prompt.box.tolist()
        parts.append((a, b, c + 1, d + 1))
    if prompt.region is not None:
        a, b, c, d = prompt.region.boxes[0].tolist()
        parts.append((a, b, c, d))
    return union(parts)


def first_crop(prompt: Prompt, shape: tuple[int, int], object_size: float | None = None) -> Crop:
    """Return the crop that a prompt without previous logits is asked in.

    Parameters
    ----------
    prompt : Prompt
        Points, a box or a mask in pixels of the plane.
    shape : tuple of int
        (H, W) of the plane.
    object_size : float or None
        Longer side in pixels of objects that are prompted by points without a size of their own;
        without any, a pixel of the plane is one of the frame.
    """
    stated = object_region(prompt)
    size = longer_side(stated) if stated is not None else prompt.object_size or object_size
    side = FRAME_SIDE if size is None else side_for(size)
    return roomy_crop(prompt_region(prompt), side, shape)


def roomy_crop(region: Region, side: int, shape: tuple[int, int]) -> Crop:
    """Return the crop of a side, or of twice, four times ... of it, with room around a region."""
    while side < ROOM * longer_side(region) and side < max(shape):
        side *= 2
    return crop_at(shape, side, region)


def next_crop(
    crop: Crop, box: tuple[int, int, int, int], asked: Region, shape: tuple[int, int]
) -> Crop:
    """Return the crop that an answer which reaches the border of another is asked again in.

    The same scale with the answer in its middle, if that has room, else twice the side.

    Parameters
    ----------
    crop : Crop
        The crop whose border the answer reaches.
    box : tuple of int
        Half-open box of the answer in pixels of the plane.
    asked : tuple of float
        Region of the prompt, which stays inside.
    shape : tuple of int
        (H, W) of the plane.
    """
    region = union([(float(box[0]), float(box[1]), float(box[2]), float(box[3])), asked])
    if longer_side(region) * 2 <= crop.side:
        shifted = crop_at(shape, crop.side, region)
        if shifted != crop and holds(shifted, asked, shape):
            return shifted
    return crop_at(shape, crop.side * 2, asked if longer_side(region) > crop.side else region)
