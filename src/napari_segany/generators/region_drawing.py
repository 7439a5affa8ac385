"""Regions of the finder's tree as masks of the plane."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.generators.region_merging import OUTLINES
from napari_segany.generators.region_tree import FOREGROUND, RegionTree
from napari_segany.models.finder import ObjectMaps

Box = tuple[int, int, int, int]
"""Half-open row_min, col_min, row_max, col_max in cells."""

UNPACKED = 2**24
"""Pixels of masks that are kept unpacked while others are drawn."""

IN_HOLE = 0.1
"""Height of the cells of a hole that is filled."""

BESIDE = -0.01
"""Height of cells of the foreground that belong to no region."""


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
    def _basin_boxes(self) -> NDArray[np.int64]:
        """(B, 4) boxes of the basins, in the order of the tree's spans."""
        found = ndimage.find_objects(self.tree.places, self.tree.basins)
        boxes = [(rows.start, cols.start, rows.stop, cols.stop) for rows, cols in found]
        return np.array(boxes, np.int64).reshape(-1, 4)

    def box(self, node: int) -> Box:
        """Return the box of a node in cells."""
        start, stop = self.tree.spans[node]
        boxes = self._basin_boxes[start:stop]
        a, b = boxes[:, :2].min(axis=0).tolist()
        c, d = boxes[:, 2:].max(axis=0).tolist()
        return a, b, c, d

    def box_areas(self, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the (K,) areas of the boxes of nodes, in cells."""
        boxes = np.array([self.box(node) for node in nodes.tolist()], np.int64).reshape(-1, 4)
        areas: NDArray[np.int64] = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        return areas

    def member(self, node: int, box: Box) -> NDArray[np.bool_]:
        """Return which cells of a box belong to a node, whatever their foreground."""
        start, stop = self.tree.spans[node].tolist()
        places = self.tree.places[box[0] : box[2], box[1] : box[3]]
        belongs: NDArray[np.bool_] = (places > start) & (places <= stop)
        return belongs

    def heights(self, node: int) -> tuple[NDArray[np.float32], Box]:
        """Return the foreground of a node above its outline, and the box of cells it is of.

        Positive inside the node; holes of it that belong to no other region are inside, too.
        """
        rows, cols = self.tree.labels.shape
        a, b, c, d = self.box(node)
        box = max(a - 1, 0), max(b - 1, 0), min(c + 1, rows), min(d + 1, cols)
        window = slice(box[0], box[2]), slice(box[1], box[3])
        own = self.member(node, box)
        free = own | (self.tree.labels[window] == 0)
        heights = self.maps.foreground[window] - np.float32(self.tree.outline[node])
        # As far below zero as the other region may be above it, so that neighbours share no pixel.
        heights[~free] = min(OUTLINES) - 1
        above = heights > 0
        inside = own & above
        # Other objects' foreground reaches between the regions, and is no part of this one.
        heights[above & ~own] = BESIDE
        holes = find_holes(inside)
        if holes is not None:
            heights[holes & free] = IN_HOLE
        return heights.astype(np.float32, copy=False), box

    def draw(self, nodes: Sequence[int], should_stop: ShouldStop | None = None) -> MaskSet:
        """Return the masks of nodes on the plane.

        Parameters
        ----------
        nodes : sequence of int
            Numbers of the nodes.
        should_stop : callable, optional
            Polled between nodes.
        """
        frame = self.maps.frame
        # One buffer for all: only the cells of a node are ever read or written.
        buffer = torch.full((self.maps.side, self.maps.side), -FOREGROUND)
        parts = [MaskSet.empty(frame.shape)]
        masks: list[NDArray[np.bool_]] = []
        origins: list[tuple[int, int]] = []
        pixels = 0
        for node in nodes:
            check(should_stop)
            heights, box = self.heights(node)
            window = slice(box[0], box[2]), slice(box[1], box[3])
            buffer[window] = torch.from_numpy(heights)
            rows, cols = frame.pixels_of(box, self.maps.side)
            mask = np.zeros((rows.stop - rows.start, cols.stop - cols.start), bool)
            for strip, enlarged in frame.strips_within(buffer, box):
                mask[:, strip] = enlarged.numpy() > 0
            buffer[window] = -FOREGROUND
            masks.append(mask)
            origins.append((rows.start, cols.start))
            pixels += mask.size
            # Thousands of nested regions of a large plane fit into memory as bits only.
            if pixels > UNPACKED:
                parts.append(MaskSet.from_crops(frame.shape, masks, origins))
                masks, origins, pixels = [], [], 0
        parts.append(MaskSet.from_crops(frame.shape, masks, origins))
        return MaskSet.concatenate(parts)

    def interior_point(self, node: int) -> tuple[float, float]:
        """Return the row and column, in cells, of the place deepest inside a node."""
        box = self.box(node)
        window = slice(box[0], box[2]), slice(box[1], box[3])
        depth = self.maps.interior[window] + 0.5 * self.maps.centre[window]
        # Cells within the outline first: the others are no part of the mask.
        depth = depth + 2 * (self.maps.foreground[window] > self.tree.outline[node])
        depth = np.where(self.member(node, box), depth, -1)
        row, col = divmod(int(depth.argmax()), depth.shape[1])
        return box[0] + row + 0.5, box[1] + col + 0.5


def find_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Return the background that a mask encloses (4-connected), None if there is none."""
    components, count = ndimage.label(~mask)
    enclosed = np.ones(count + 1, bool)
    enclosed[0] = False
    for edge in (components[0], components[-1], components[:, 0], components[:, -1]):
        enclosed[edge] = False
    if not enclosed.any():
        return None
    holes: NDArray[np.bool_] = enclosed[components]
    return holes
