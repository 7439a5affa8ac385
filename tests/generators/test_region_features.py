import numpy as np
import pytest
from tests.generators.maps import draw_discs, draw_maps, random_maps
from tests.generators.trees import grow_tree

from napari_segany.core.masks import MaskSet
from napari_segany.generators.region_drawing import RegionDrawer
from napari_segany.generators.region_features import (
    REGION_FEATURES,
    SHAPE_FEATURES,
    MaskMeter,
    PlaneContext,
    shape_features,
    tree_features,
)
from napari_segany.generators.region_tree import SUMS
from napari_segany.models.finder import CELL

COMPARED = [i for i, name in enumerate(SUMS) if name not in ("cells", "foreground")]
"""Sums over the cells above the threshold, which are those that a mask consists of."""

PLACED = [i for i, name in enumerate(SUMS) if name.startswith(("rows", "cols"))]
"""Sums that depend on the origin."""


@pytest.mark.parametrize("side", [256, 128])
def test_a_drawn_region_measures_like_the_region(side: int) -> None:
    discs = [(30, 30, 18), (30, 62, 17), (75, 50, 20), (98, 110, 14), (2, 100, 12)]
    labels = draw_discs((100, 128), discs)
    maps = draw_maps(labels, side=side)
    tree, context = grow_tree(maps), PlaneContext.of(maps)
    nodes = np.flatnonzero(tree.area > 60)
    assert len(nodes) >= len(discs)
    masks = RegionDrawer(tree, maps).draw(nodes.tolist())
    sums, peaks = MaskMeter.of(maps).measure(masks)
    sums_of_area = [i for i in COMPARED if i not in PLACED and SUMS[i] != "perimeter_contour"]
    assert sums[:, sums_of_area] == pytest.approx(tree.sums[nodes][:, sums_of_area], 0.1, 6)
    measured = shape_features(sums, peaks, context)
    features = tree_features(tree, context)[nodes]
    assert features.shape == (len(nodes), len(REGION_FEATURES))
    for name in ("log2_side", "size_map", "interior_peak", "elongation", "edge_fraction"):
        column = SHAPE_FEATURES.index(name)
        assert measured[:, column] == pytest.approx(features[:, column], abs=0.15), name


def test_features_of_any_region_are_finite() -> None:
    maps = random_maps((60, 90))
    features = tree_features(grow_tree(maps), PlaneContext.of(maps))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_a_disc_is_round_full_and_of_the_size_that_the_map_tells() -> None:
    maps = draw_maps(draw_discs((128, 128), [(64, 64, 30)]))
    tree = grow_tree(maps)
    features = dict(zip(REGION_FEATURES, tree_features(tree, PlaneContext.of(maps)).T, strict=True))
    node = int(tree.area.argmax())
    assert features["elongation"][node] == pytest.approx(0, abs=0.05)
    assert features["filling"][node] == pytest.approx(0, abs=0.05)
    assert features["size_difference"][node] == pytest.approx(0, abs=0.05)
    assert features["edge_fraction"][node] == 0


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (1, 3000), (30, 40)])
def test_masks_of_odd_planes(shape: tuple[int, int]) -> None:
    maps = draw_maps(np.ones(shape, np.int32), side=128)
    full = np.ones((1, *shape), bool)
    corner = np.zeros((1, *shape), bool)
    corner[0, -1, -1] = True
    masks = MaskSet.from_masks(np.concatenate([full, np.zeros_like(full), corner]))
    meter = MaskMeter.of(maps)
    sums, peaks = meter.measure(masks)
    cells = dict(zip(SUMS, sums.T, strict=True))
    assert cells["inside"][0] == maps.foreground.size
    assert cells["perimeter"][0] == 0
    assert (sums[1] == 0).all()
    assert (peaks[1] == 0).all()
    assert np.isfinite(shape_features(sums, peaks, PlaneContext.of(maps))).all()


def test_masks_measure_alike_wherever_they_lie() -> None:
    """A square away from the border, and the same one at it."""
    maps = draw_maps(np.ones((64, 64), np.int32), side=128)
    full = np.zeros((2, 64, 64), bool)
    full[0, 20:36, 24:40] = full[1, :16, 48:] = True
    sums, _ = MaskMeter.of(maps).measure(MaskSet.from_masks(full))
    cells = dict(zip(SUMS, sums.T, strict=True))
    side = 16 * 2 // CELL
    assert cells["inside"].tolist() == [side**2, side**2]
    assert cells["perimeter"].tolist() == [4 * side, 2 * side]
    assert cells["at_edge"].tolist() == [0, 2 * side - 1]


def test_a_plane_without_objects_has_a_context() -> None:
    context = PlaneContext.of(draw_maps(np.zeros((20, 30), np.int32)))
    assert (context.size, context.foreground) == (0, 0)
