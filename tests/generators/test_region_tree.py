import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from tests.generators.maps import draw_discs, draw_maps, random_maps
from tests.generators.trees import grow_tree

from napari_segany.core.geometry import Frame
from napari_segany.generators.region_features import MaskMeter
from napari_segany.generators.region_merging import OUTLINES
from napari_segany.generators.region_tree import (
    FOREGROUND,
    SUMS,
    RegionTree,
    find_basins,
    grow_trees,
)
from napari_segany.models.finder import ObjectMaps


def cells_of(tree: RegionTree, node: int) -> NDArray[np.bool_]:
    """The cells of a node, by following the tree down to its basins."""
    one, two = tree.children[node].tolist()
    if one < 0:
        return tree.labels == node + 1
    return cells_of(tree, one) | cells_of(tree, two)


def measure(maps: ObjectMaps, cells: NDArray[np.bool_], outline: float) -> dict[str, float]:
    """The sums of a region, cell by cell."""
    inner = cells & (maps.foreground > outline)
    rows, cols = np.nonzero(inner)
    height, width = inner.shape
    length, contour = 0, 0.0
    for row, col in zip(rows.tolist(), cols.tolist(), strict=True):
        for r, c in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if 0 <= r < height and 0 <= c < width and not inner[r, c]:
                length += 1
                contour += 0.5 * (float(maps.contour[row, col]) + float(maps.contour[r, c]))
    edge = (rows == 0) | (cols == 0) | (rows == height - 1) | (cols == width - 1)
    size = maps.log2_size[inner].astype(np.float64)
    return {
        "cells": cells.sum(),
        "inside": inner.sum(),
        "foreground": maps.foreground[cells].sum(dtype=float),
        "interior": maps.interior[inner].sum(dtype=float),
        "centre": maps.centre[inner].sum(dtype=float),
        "contour": maps.contour[inner].sum(dtype=float),
        "size": size.sum(),
        "size_squared": (size**2).sum(),
        "rows": rows.sum(),
        "cols": cols.sum(),
        "rows_squared": (rows**2).sum(),
        "cols_squared": (cols**2).sum(),
        "rows_cols": (rows * cols).sum(),
        "perimeter": length,
        "perimeter_contour": contour,
        "at_edge": edge.sum(),
    }


@pytest.fixture(scope="module")
def noisy() -> ObjectMaps:
    labels = draw_discs((60, 80), [(20, 20, 12), (22, 43, 12), (45, 60, 14), (5, 70, 10)])
    return draw_maps(labels, noise=0.25, side=128)


def test_every_object_of_clean_maps_is_one_node() -> None:
    labels = draw_discs((100, 128), [(30, 30, 18), (30, 65, 18), (70, 50, 20), (70, 100, 9)])
    maps = draw_maps(labels)
    meter, tree = MaskMeter.of(maps), grow_tree(maps)
    truth = labels[np.ix_(meter.rows, meter.cols)]
    for number in range(1, 5):
        object_cells = truth == number
        iou = []
        for node in range(len(tree)):
            cells = cells_of(tree, node) & (maps.foreground > FOREGROUND)
            iou.append((cells & object_cells).sum() / (cells | object_cells).sum())
        assert max(iou) > 0.95


def test_basins_are_numbered_without_gaps_and_lie_in_the_foreground(noisy: ObjectMaps) -> None:
    basins = find_basins(noisy)
    assert np.array_equal(np.unique(basins), np.arange(basins.max() + 1))
    assert basins.max() > 4
    assert (noisy.foreground[basins > 0] > 0).all()
    _, parts = ndimage.label(basins == 1, np.ones((3, 3)))
    assert parts == 1


def test_sums_of_every_node_are_those_of_its_cells(noisy: ObjectMaps) -> None:
    first, second = trees = grow_trees(noisy)
    assert len(first) > first.basins > 4
    assert (first.area >= second.area).all()
    assert (first.area > second.area).any()
    for tree, outline in zip(trees, OUTLINES, strict=True):
        assert (tree.outline == outline).all()
        for node in range(len(tree)):
            cells = cells_of(tree, node)
            expected = measure(noisy, cells, outline)
            assert tree.sums[node] == pytest.approx([expected[name] for name in SUMS], abs=1e-3)
            peaks = [noisy.interior[cells].max(), noisy.centre[cells].max()]
            assert tree.peaks[node] == pytest.approx(peaks)


def test_a_tree_with_one_outline_has_the_same_regions(noisy: ObjectMaps) -> None:
    first, second = grow_trees(noisy)
    alone = grow_tree(noisy, OUTLINES[1])
    for one, two in ((first, second), (second, alone)):
        assert np.array_equal(one.places, two.places)
        assert np.array_equal(one.children, two.children)
        assert np.array_equal(one.lost_at, two.lost_at)
    assert np.array_equal(second.sums, alone.sums)


def test_the_basins_of_every_node_lie_side_by_side(noisy: ObjectMaps) -> None:
    tree = grow_tree(noisy)
    for node in range(len(tree)):
        first, last = tree.spans[node]
        within = (tree.places > first) & (tree.places <= last)
        assert np.array_equal(within, cells_of(tree, node))
        assert last - first == tree.basin_count[node]
    assert np.array_equal(tree.places > 0, tree.labels > 0)


def test_weak_borders_are_crossed_first(noisy: ObjectMaps) -> None:
    tree = grow_tree(noisy)
    inner = np.flatnonzero(tree.children[:, 0] >= 0)
    for node in inner.tolist():
        for child in tree.children[node].tolist():
            assert child < node
            assert tree.parent[child] == node
            assert tree.lost_at[child] == tree.joined_at[node]
    assert ((tree.lost_at > 0) & (tree.lost_at <= 1)).all()
    assert (tree.joined_at[: tree.basins] == 0).all()


def one_cell(value: float, shape: tuple[int, int] = (1, 1)) -> ObjectMaps:
    """Maps of one value everywhere."""
    full = np.full(shape, value, np.float32)
    frame = Frame((2 * shape[0], 2 * shape[1]), 2 * max(shape))
    return ObjectMaps(frame, full, 0 * full, full, full, 0 * full)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (20, 30)])
def test_maps_of_one_value(shape: tuple[int, int]) -> None:
    assert len(grow_tree(one_cell(0.0, shape))) == 0
    tree = grow_tree(one_cell(1.0, shape))
    assert len(tree) == 1
    assert tree.sums[0, SUMS.index("inside")] == shape[0] * shape[1]
    assert tree.sums[0, SUMS.index("perimeter")] == 0
    assert tree.lost_at.tolist() == [1]


def test_maps_that_are_no_numbers_have_no_regions() -> None:
    assert len(grow_tree(one_cell(np.nan, (20, 30)))) == 0


def test_the_same_maps_grow_the_same_tree(noisy: ObjectMaps) -> None:
    one, two = grow_tree(noisy), grow_tree(noisy)
    for name in RegionTree.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_thousands_of_basins_take_no_minutes() -> None:
    maps = random_maps((400, 400), side=1024)
    start = time.process_time()
    tree = grow_tree(maps)
    assert tree.basins > 3000
    # A tenth of this on an idle machine; in the square of the basins it would be minutes.
    assert time.process_time() - start < 10
