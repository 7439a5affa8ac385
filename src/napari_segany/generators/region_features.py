"""Features of regions and masks, from which their quality is estimated.

They compare a mask with the finder's maps: whether its size is the one that the maps predict,
whether the maps show a border along its outline and none inside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.generators.region_merging import neighbours
from napari_segany.generators.region_tree import FOREGROUND, SUMS, RegionTree
from napari_segany.models.finder import CELL, UNIT, ObjectMaps

SHAPE_FEATURES = (
    "log2_side",
    "size_map",
    "size_difference",
    "size_spread",
    "foreground",
    "inside_fraction",
    "interior",
    "interior_peak",
    "centre",
    "centre_peak",
    "contour",
    "contour_at_perimeter",
    "perimeter_ratio",
    "elongation",
    "filling",
    "edge_fraction",
    "plane_size",
    "side_in_plane",
    "plane_foreground",
)
"""Features of any mask."""

REGION_FEATURES = (*SHAPE_FEATURES, "joined_at", "lost_at", "basins", "outline")
"""Features of a region of the tree."""


@dataclass(frozen=True)
class PlaneContext:
    """Measures of a plane, the same for all its masks.

    Attributes
    ----------
    size : float
        Median of the size map inside objects.
    foreground : float
        Mean of the foreground map.
    """

    size: float
    foreground: float

    @classmethod
    def of(cls, maps: ObjectMaps) -> "PlaneContext":
        """Measure a plane."""
        inside = maps.foreground > FOREGROUND
        size = float(np.median(maps.log2_size[inside])) if inside.any() else 0.0
        return cls(size, float(maps.foreground.mean()))


def shape_features(
    sums: NDArray[np.float64], peaks: NDArray[np.float64], plane: PlaneContext
) -> NDArray[np.float32]:
    """Return the (N, F) features of masks from their sums over cells.

    Parameters
    ----------
    sums : ndarray
        (N, K), see :data:`napari_segany.generators.region_tree.SUMS`.
    peaks : ndarray
        (N, 2) largest interior and centre.
    plane : PlaneContext
        Of the plane that the masks lie in.
    """
    s = dict(zip(SUMS, sums.T, strict=True))
    inside = np.maximum(s["inside"], 1)
    side = np.log2(np.maximum(np.sqrt(inside) * CELL, 1) / UNIT)
    size = s["size"] / inside
    variance = np.maximum(s["size_squared"] / inside - size**2, 0)
    row, col = s["rows"] / inside, s["cols"] / inside
    # A cell has an extent of its own, a twelfth of a square cell.
    rr = np.maximum(s["rows_squared"] / inside - row**2, 0) + 1 / 12
    cc = np.maximum(s["cols_squared"] / inside - col**2, 0) + 1 / 12
    rc = s["rows_cols"] / inside - row * col
    middle, off = (rr + cc) / 2, np.hypot((rr - cc) / 2, rc)
    major, minor = middle + off, np.maximum(middle - off, 1 / 12)
    columns = {
        "log2_side": side,
        "size_map": size,
        "size_difference": side - size,
        "size_spread": np.sqrt(variance),
        "foreground": s["foreground"] / np.maximum(s["cells"], 1),
        "inside_fraction": s["inside"] / np.maximum(s["cells"], 1),
        "interior": s["interior"] / inside,
        "interior_peak": peaks[:, 0],
        "centre": s["centre"] / inside,
        "centre_peak": peaks[:, 1],
        "contour": s["contour"] / inside,
        "contour_at_perimeter": s["perimeter_contour"] / np.maximum(s["perimeter"], 1),
        "perimeter_ratio": np.log2(np.maximum(s["perimeter"], 1) / np.sqrt(inside)),
        "elongation": np.log2(major / minor) / 2,
        "filling": np.log2(inside / (4 * np.pi * np.sqrt(major * minor))),
        "edge_fraction": s["at_edge"] / np.maximum(s["perimeter"] + s["at_edge"], 1),
        "plane_size": np.full(len(inside), plane.size),
        "side_in_plane": side - plane.size,
        "plane_foreground": np.full(len(inside), plane.foreground),
    }
    return np.stack([columns[name] for name in SHAPE_FEATURES], axis=1).astype(np.float32)


def tree_features(tree: RegionTree, plane: PlaneContext) -> NDArray[np.float32]:
    """Return the (N, F) features of all nodes of a tree."""
    shape = shape_features(tree.sums, tree.peaks, plane)
    basins = np.log2(tree.basin_count)
    more = np.stack([tree.joined_at, tree.lost_at, basins, tree.outline], axis=1)
    return np.concatenate([shape, more.astype(np.float32)], axis=1)


@dataclass(frozen=True)
class MaskMeter:
    """Measures masks of a plane against its maps.

    Attributes
    ----------
    maps : ObjectMaps
        Of the plane.
    rows, cols : ndarray
        Row and column of the plane in which the centre of each row and column of cells lies.
    """

    maps: ObjectMaps
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]

    @classmethod
    def of(cls, maps: ObjectMaps) -> "MaskMeter":
        """Return the meter of a plane."""
        shape, scaled = maps.frame.shape, maps.frame.scaled
        places = [
            np.minimum((np.arange(cells) + 0.5) * CELL / size * pixels, pixels - 1).astype(np.int64)
            for cells, size, pixels in zip(maps.foreground.shape, scaled, shape, strict=True)
        ]
        return cls(maps, *places)

    def on_grid(self, masks: MaskSet, i: int) -> tuple[NDArray[np.bool_], int, int]:
        """Return mask ``i`` on the grid of the maps, within a box, and the box's first cell.

        The box has a border of one cell around the mask, as far as the grid goes.
        """
        a, b, c, d = masks.boxes[i].tolist()
        top, end = np.searchsorted(self.rows, [a, c])
        left, right = np.searchsorted(self.cols, [b, d])
        top, left = max(int(top) - 1, 0), max(int(left) - 1, 0)
        end, right = min(int(end) + 1, len(self.rows)), min(int(right) + 1, len(self.cols))
        rows, cols = self.rows[top:end] - a, self.cols[left:right] - b
        inside = np.zeros((end - top, right - left), bool)
        in_rows, in_cols = (rows >= 0) & (rows < c - a), (cols >= 0) & (cols < d - b)
        inside[np.ix_(in_rows, in_cols)] = masks.crop(i)[np.ix_(rows[in_rows], cols[in_cols])]
        return inside, top, left

    def measure(self, masks: MaskSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums and peaks of N masks, as those of regions."""
        sums, peaks = np.zeros((len(masks), len(SUMS))), np.zeros((len(masks), 2))
        for i in range(len(masks)):
            inside, top, left = self.on_grid(masks, i)
            if inside.any():
                sums[i], peaks[i] = self._measure_one(inside, top, left)
        return sums, peaks

    def _measure_one(
        self, inside: NDArray[np.bool_], top: int, left: int
    ) -> tuple[NDArray[np.float64], tuple[float, float]]:
        maps = self.maps
        window = slice(top, top + inside.shape[0]), slice(left, left + inside.shape[1])
        rows, cols = (each.astype(np.float64) for each in np.nonzero(inside))
        interior, centre = maps.interior[window][inside], maps.centre[window][inside]
        size = maps.log2_size[window][inside].astype(np.float64)
        contour = maps.contour[window]
        length = strength = 0.0
        for axis in (0, 1):
            a, b = neighbours(inside, axis)
            u, v = neighbours(contour, axis)
            differs = a != b
            length += np.count_nonzero(differs)
            strength += 0.5 * float((u + v)[differs].sum(dtype=np.float64))
        height, width = maps.foreground.shape
        at_edge = np.count_nonzero(
            (rows + top == 0)
            | (cols + left == 0)
            | (rows + top == height - 1)
            | (cols + left == width - 1)
        )
        values = {
            "cells": len(rows),
            "inside": len(rows),
            "foreground": maps.foreground[window][inside].sum(dtype=np.float64),
            "interior": interior.sum(dtype=np.float64),
            "centre": centre.sum(dtype=np.float64),
            "contour": contour[inside].sum(dtype=np.float64),
            "size": size.sum(),
            "size_squared": (size**2).sum(),
            # Moments do not depend on where the origin is.
            "rows": rows.sum(),
            "cols": cols.sum(),
            "rows_squared": (rows**2).sum(),
            "cols_squared": (cols**2).sum(),
            "rows_cols": (rows * cols).sum(),
            "perimeter": length,
            "perimeter_contour": strength,
            "at_edge": at_edge,
        }
        return (
            np.array([values[name] for name in SUMS], np.float64),
            (float(interior.max()), float(centre.max())),
        )
