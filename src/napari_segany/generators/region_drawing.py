"""Regions of the finder's tree as masks of the plane."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.generators.region_tree import FOREGROUND, RegionTree
from napari_segany.models.finder import ObjectMaps

Box = tuple[int, int, int, int]
"""Half-open row_min, col_min, row_max, col_max in cells."""


@dataclass(frozen=True)
class RegionDrawer:
    """Draws nodes of a tree on a plane.

    Attributes
    ----------
    tree : RegionTree
        The regions.
    maps : ObjectMaps
        The maps that they were made from.
    """

    tree: RegionTree
    maps: ObjectMaps

    @cached_property
    def _boxes(self) -> list[tuple[slice, slice]]:
        return list(ndimage.find_objects(self.tree.labels, self.tree.basins))

    def box(self, node: int) -> Box:
        """Return the box of a node in cells."""
        boxes = [self._boxes[basin] for basin in self.tree.basins_of(node)]
        return (
            min(rows.start for rows, _ in boxes),
            min(cols.start for _, cols in boxes),
            max(rows.stop for rows, _ in boxes),
            max(cols.stop for _, cols in boxes),
        )

    def member(self, node: int, box: Box) -> NDArray[np.bool_]:
        """Return which cells of a box belong to a node, whatever their foreground."""
        belongs = np.zeros(self.tree.basins + 1, bool)
        belongs[np.array(self.tree.basins_of(node)) + 1] = True
        return belongs[self.tree.labels[box[0] : box[2], box[1] : box[3]]]

    def heights(self, node: int) -> tuple[NDArray[np.float32], Box]:
        """Return the foreground of a node above the threshold, and the box of cells it is of.

        Positive inside the node; holes of it that belong to no other region are inside, too.
        """
        rows, cols = self.tree.labels.shape
        a, b, c, d = self.box(node)
        box = max(a - 1, 0), max(b - 1, 0), min(c + 1, rows), min(d + 1, cols)
        window = slice(box[0], box[2]), slice(box[1], box[3])
        labels, foreground = self.tree.labels[window], self.maps.foreground[window]
        own = self.member(node, box)
        heights = np.where(own | (labels == 0), foreground, 0) - np.float32(FOREGROUND)
        inside = own & (heights > 0)
        holes = ndimage.binary_fill_holes(inside) & ~inside & (own | (labels == 0))
        # Other objects' foreground reaches between the regions, and is no part of this one.
        heights[~own & (heights > 0)] = -0.01
        heights[holes] = 0.1
        return heights.astype(np.float32), box

    def draw(self, nodes: Sequence[int]) -> tuple[list[NDArray[np.bool_]], list[tuple[int, int]]]:
        """Return the mask of each node on part of the plane, and its first row and column."""
        # One buffer for all: only the cells of a node are ever read or written.
        buffer = torch.full((self.maps.side, self.maps.side), -FOREGROUND)
        masks, origins = [], []
        for node in nodes:
            heights, box = self.heights(node)
            window = slice(box[0], box[2]), slice(box[1], box[3])
            buffer[window] = torch.from_numpy(heights)
            pixels, origin = self.maps.frame.enlarge_within(buffer, box)
            buffer[window] = -FOREGROUND
            masks.append(pixels.numpy() > 0)
            origins.append(origin)
        return masks, origins

    def interior_point(self, node: int) -> tuple[float, float]:
        """Return the row and column, in cells, of the place deepest inside a node."""
        box = self.box(node)
        window = slice(box[0], box[2]), slice(box[1], box[3])
        depth = self.maps.interior[window] + 0.5 * self.maps.centre[window]
        depth = np.where(self.member(node, box), depth, -1)
        row, col = np.unravel_index(int(depth.argmax()), depth.shape)
        return box[0] + float(row) + 0.5, box[1] + float(col) + 0.5
