"""Points of automatic segmentation: regular grids, and crops of the plane with their points."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.region import check_plane_region
from napari_segany.generators.parameters import AutomaticParams


def point_grid(per_side: int) -> NDArray[np.float64]:
    """Return (per_side**2, 2) row, column in the unit square at (i + 0.5) / n, row by row."""
    offset = 1 / (2 * per_side)
    along = np.linspace(offset, 1 - offset, per_side)
    rows, cols = np.meshgrid(along, along, indexing="ij")
    return np.stack([rows.ravel(), cols.ravel()], axis=1)


def crop_layers(
    shape: tuple[int, int], layers: int, overlap_ratio: float
) -> list[tuple[int, tuple[int, int, int, int]]]:
    """Return the plane itself, then 2**i x 2**i overlapping crops for every further layer i.

    Parameters
    ----------
    shape : tuple of int
        (H, W) of the plane.
    layers : int
        Layers of crops beside the plane itself.
    overlap_ratio : float
        Overlap of the first layer's crops as a fraction of the short side; halved a layer.

    Returns
    -------
    list of (layer, box)
        Boxes are half-open row_min, col_min, row_max, col_max, in the published code's order:
        column by column.
    """
    height, width = shape
    found = [(0, (0, 0, height, width))]
    for layer in range(1, layers + 1):
        n = 2**layer
        overlap = int(overlap_ratio * min(shape) * (2 / n))
        crop_h, crop_w = (math.ceil((overlap * (n - 1) + side) / n) for side in shape)
        for i, j in product(range(n), range(n)):
            top, left = j * (crop_h - overlap), i * (crop_w - overlap)
            box = (top, left, min(top + crop_h, height), min(left + crop_w, width))
            if box[0] < box[2] and box[1] < box[3]:  # tiny planes have fewer crops than asked for
                found.append((layer, box))
    return found


@dataclass(frozen=True, eq=False)
class PointCrop:
    """A crop of a plane with the points at which the model is prompted.

    Attributes
    ----------
    box : tuple of int
        Half-open row_min, col_min, row_max, col_max in the plane.
    points : ndarray
        (P, 2) row, column in the crop.
    per_side : int
        Points a side of the crop's regular grid.
    numbers : ndarray
        (P,) number of each point in the whole grid, row by row: a region leaves points out.
    """

    box: tuple[int, int, int, int]
    points: NDArray[np.float64]
    per_side: int
    numbers: NDArray[np.int64]

    @property
    def area(self) -> int:
        """Pixels of the crop."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    @property
    def slices(self) -> tuple[slice, slice]:
        """The crop as an index of the plane."""
        return slice(self.box[0], self.box[2]), slice(self.box[1], self.box[3])


def plan_crops(
    shape: tuple[int, int], params: AutomaticParams, region: NDArray[np.bool_] | None = None
) -> list[PointCrop]:
    """Return all crops that have points, in the order in which they are searched.

    Raises
    ------
    InputError
        If ``region`` has another shape than the plane.
    """
    check_plane_region(region, shape)
    planned = []
    for layer, box in crop_layers(shape, params.crop_n_layers, params.crop_overlap_ratio):
        size = np.array([box[2] - box[0], box[3] - box[1]], np.float64)
        per_side = int(params.points_per_side / params.crop_n_points_downscale_factor**layer)
        per_side = max(per_side, 1)
        if params.point_grids is not None:
            grid = np.asarray(params.point_grids[layer], np.float64).reshape(-1, 2)
        else:
            grid = point_grid(per_side)
        points, numbers = grid * size, np.arange(len(grid))
        if region is not None:
            pixel = np.rint(points + box[:2]).astype(np.int64)
            pixel = np.minimum(pixel, np.asarray(shape) - 1)
            inside = region[pixel[:, 0], pixel[:, 1]]
            points, numbers = points[inside], numbers[inside]
        if len(points):
            planned.append(PointCrop(box, points, per_side, numbers))
    return planned


def count_points(
    shape: tuple[int, int], params: AutomaticParams, region: NDArray[np.bool_] | None = None
) -> int:
    """Return the number of points of all crops of a plane of ``shape`` (H, W)."""
    return sum(len(crop.points) for crop in plan_crops(shape, params, region))
