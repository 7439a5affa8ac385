"""Where automatic segmentation asks: grids of points, and crops of the plane."""

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray


def point_grid(per_side: int) -> NDArray[np.float64]:
    """(per_side**2, 2) row, column in the unit square at (i + 0.5) / n, row by row."""
    offset = 1 / (2 * per_side)
    along = np.linspace(offset, 1 - offset, per_side)
    rows, cols = np.meshgrid(along, along, indexing="ij")
    return np.stack([rows.ravel(), cols.ravel()], axis=1)


def crop_layers(
    shape: tuple[int, int], layers: int, overlap_ratio: float
) -> list[tuple[int, tuple[int, int, int, int]]]:
    """The plane itself, then 2**i x 2**i overlapping crops for every further layer i.

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
        Boxes are half-open row_min, col_min, row_max, col_max, in the reference's order:
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
