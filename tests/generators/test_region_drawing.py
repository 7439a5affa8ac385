import numpy as np
import pytest
from scipy import ndimage
from tests.generators.maps import draw_discs, draw_maps, random_maps
from tests.generators.trees import grow_tree

from napari_segany.core.masks import MaskSet
from napari_segany.errors import Cancelled
from napari_segany.generators import region_drawing
from napari_segany.generators.region_drawing import RegionDrawer, find_holes

DISCS = [(30, 30, 18), (30, 62, 17), (75, 50, 20), (70, 100, 14)]
"""Of a plane of 100 x 128; the first two touch."""


def drawer_of(maps: region_drawing.ObjectMaps) -> RegionDrawer:
    return RegionDrawer(grow_tree(maps), maps)


def best_iou(masks: MaskSet, truth: np.ndarray) -> float:
    return max(
        (masks.mask(i) & truth).sum() / (masks.mask(i) | truth).sum() for i in range(len(masks))
    )


@pytest.mark.parametrize("side", [128, 256, 512], ids=["1x", "2x", "4x"])
def test_a_drawn_region_is_the_object(side: int) -> None:
    labels = draw_discs((100, 128), DISCS)
    drawer = drawer_of(draw_maps(labels, side=side))
    masks = drawer.draw(range(len(drawer.tree)))
    for number in range(1, len(DISCS) + 1):
        # A cell is two pixels of a plane that fills the frame.
        assert best_iou(masks, labels == number) > (0.95 if side > 128 else 0.9)


def test_a_plane_that_is_larger_than_the_frame() -> None:
    labels = draw_discs((400, 512), [(4 * r, 4 * c, 4 * radius) for r, c, radius in DISCS])
    drawer = drawer_of(draw_maps(labels, side=256))
    masks = drawer.draw(range(len(drawer.tree)))
    for number in range(1, len(DISCS) + 1):
        assert best_iou(masks, labels == number) > 0.93


@pytest.mark.parametrize("seed", range(3))
def test_regions_that_contain_none_of_each_other_share_no_pixel(seed: int) -> None:
    drawer = drawer_of(random_maps((90, 120), seed))
    assert drawer.tree.basins > 50
    basins = drawer.draw(range(drawer.tree.basins))
    assert sum(basins.mask(i).astype(int) for i in range(len(basins))).max() == 1


def test_holes_are_filled_and_other_objects_in_them_are_not() -> None:
    labels = draw_discs((100, 128), [(50, 64, 40)])
    labels[draw_discs((100, 128), [(50, 64, 28)]) > 0] = 0
    ring = drawer_of(draw_maps(labels))
    root = int(np.flatnonzero(ring.tree.parent < 0)[0])
    whole = ring.draw([root]).mask(0)
    assert whole[50, 64]
    assert ndimage.label(~whole)[1] == 1

    labels[draw_discs((100, 128), [(50, 64, 10)]) > 0] = 2
    both = drawer_of(draw_maps(labels))
    roots = np.flatnonzero(both.tree.parent < 0).tolist()
    masks = both.draw(roots)
    assert len(roots) == 2
    assert masks.shared_pixels(0, 1) == 0
    outer = masks.mask(int(masks.area.argmax()))
    assert not outer[50, 64]
    assert outer[50, 64 + 20], "between the two is a hole of the outer one"


def test_enclosed_background_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = rng.random(rng.integers(1, 14, 2)) < 0.7
        holes = find_holes(mask)
        expected = ndimage.binary_fill_holes(mask) & ~mask
        assert np.array_equal(np.zeros_like(mask) if holes is None else holes, expected)
        assert (holes is None) == (not expected.any())


def test_a_mask_is_the_same_however_many_others_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawer = drawer_of(random_maps((90, 120), 5))
    nodes = list(range(len(drawer.tree)))
    together = drawer.draw(nodes)
    monkeypatch.setattr(region_drawing, "UNPACKED", 500)
    packed_often = drawer.draw(nodes)
    backwards = drawer.draw(nodes[::-1])
    for i in nodes[::7]:
        for other in (drawer.draw([i]), packed_often[i], backwards[len(nodes) - 1 - i]):
            assert np.array_equal(other.boxes[0], together.boxes[i])
            assert np.array_equal(other.crop(0), together.crop(i))


def test_the_deepest_place_lies_inside() -> None:
    drawer = drawer_of(random_maps((90, 120), 2))
    for node in range(0, len(drawer.tree), 5):
        row, col = drawer.interior_point(node)
        box = drawer.box(node)
        member = drawer.member(node, box)
        assert member[int(row) - box[0], int(col) - box[1]]
        assert member.any(axis=1)[[0, -1]].all()
        assert member.any(axis=0)[[0, -1]].all()
    areas = drawer.box_areas(np.arange(len(drawer.tree)))
    assert (areas >= drawer.tree.sums[:, 0]).all()
    assert drawer.box_areas(np.zeros(0, np.int64)).tolist() == []


def test_nothing_to_draw_and_being_stopped() -> None:
    drawer = drawer_of(random_maps((90, 120)))
    assert len(drawer.draw([])) == 0
    polls: list[int] = []

    def at_the_third() -> bool:
        polls.append(1)
        return len(polls) == 3

    with pytest.raises(Cancelled):
        drawer.draw(range(9), at_the_third)
    assert len(polls) == 3
