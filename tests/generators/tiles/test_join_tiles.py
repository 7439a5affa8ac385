"""Candidates of tiles become one set: nothing cut, nothing doubled, in any order of the tiles."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_segany.core.masks import MaskSet
from napari_segany.core.tiles import TileGrid
from napari_segany.errors import InputError, SeganyError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.tiles import join_tiles as joining
from napari_segany.generators.tiles.join_tiles import join_tiles, larger_tiles
from napari_segany.generators.tiles.tile_candidates import TileCandidates
from napari_segany.models.screening import Screen, SparseEstimate

GRID = TileGrid((360, 360), 160, 48)
PARAMS = FinderParams(finder="0" * 64, pred_iou_thresh=0.4, min_area=1)
SCREEN = Screen(0.2, float("-inf"), 1.0, 1.0)

Objects = list[tuple[tuple[int, int, int, int], float]]


def seen(grid: TileGrid, objects: Objects, level: int, number: int) -> TileCandidates:
    """What a tile sees of rectangles: those that its border cuts are cut."""
    top, left, bottom, right = grid.tile(number).box
    masks, origins, scores = [], [], []
    for (a, b, c, d), score in objects:
        a, b, c, d = max(a, top), max(b, left), min(c, bottom), min(d, right)
        if a < c and b < d:
            masks.append(np.ones((c - a, d - b), bool))
            origins.append((a - top, b - left))
            scores.append(score)
    found = MaskSet.from_crops((bottom - top, right - left), masks, origins, scores)
    part = TileCandidates.of(found, grid, level, number)
    return replace(part, stored=SCREEN)


def tiles(objects: Objects, grid: TileGrid = GRID) -> list[TileCandidates]:
    """All tiles that are searched, of all levels."""
    parts: list[TileCandidates] = []
    own: TileGrid | None = grid
    level, numbers = 0, tuple(range(len(grid)))
    while own is not None and numbers:
        parts += [seen(own, objects, level, number) for number in numbers]
        level += 1
        numbers, own = larger_tiles(grid, parts, level), own.coarser()
    return parts


def boxes(found: MaskSet) -> list[tuple[int, ...]]:
    return sorted(tuple(box) for box in found.boxes.tolist())


def random_objects(seed: int, count: int = 40) -> Objects:
    """Rectangles of up to the overlap, not too close to each other."""
    rng = np.random.default_rng(seed)
    free, objects = np.ones(GRID.shape, bool), []
    while len(objects) < count:
        a, b = rng.integers(0, 350, 2).tolist()
        h, w = rng.integers(4, 40, 2).tolist()
        if free[a : a + h, b : b + w].all() and a + h <= 360 and b + w <= 360:
            free[a : a + h, b : b + w] = False
            objects.append(((a, b, a + h, b + w), float(rng.uniform(0.45, 0.99))))
    return objects


@pytest.mark.parametrize("seed", range(6))
def test_every_object_is_there_once_and_whole(seed: int) -> None:
    objects = random_objects(seed)
    found = join_tiles(GRID, tiles(objects), PARAMS)
    assert boxes(found) == sorted(box for box, _ in objects)
    assert (np.diff(found.predicted_iou) <= 0).all()


def test_the_order_of_the_tiles_does_not_matter() -> None:
    parts = tiles(random_objects(1))
    one, other = join_tiles(GRID, parts, PARAMS), join_tiles(GRID, parts[::-1], PARAMS)
    assert one.boxes.tolist() == other.boxes.tolist()
    assert one.candidate.tolist() == other.candidate.tolist()
    assert np.array_equal(one.to_labels(), other.to_labels())


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("bounds", [{"pred_iou_thresh": 0.7}, {"min_area": 300}, {"max_area": 500}])
def test_a_filter_gives_what_a_new_search_does(bounds: dict[str, Any], levels: int) -> None:
    grid = replace(GRID, levels=levels)
    objects = [*random_objects(2), ((20, 20, 150, 340), 0.6), ((200, 100, 350, 300), 0.9)]
    found = join_tiles(grid, uneven(objects, grid), PARAMS)
    wanted = dict(bounds)
    params = PARAMS
    if "max_area" in wanted:
        params = params.with_largest(wanted.pop("max_area"), 360 * 360)
    params = replace(params, **wanted)
    # The search with other bounds keeps fewer candidates.
    least = params.pred_iou_floor
    parts = [restricted(part, least) for part in uneven(objects, grid)]
    again = join_tiles(grid, parts, params)
    assert boxes(found.filter(**bounds)) == boxes(again)
    assert boxes(found.filter()) == boxes(found)


def uneven(objects: Objects, grid: TileGrid) -> list[TileCandidates]:
    """All tiles, of which those of the second level see other scores."""
    rng = np.random.default_rng(5)
    return [
        replace(part, masks=replace(part.masks, predicted_iou=rng.uniform(0.45, 1, len(part))))
        if part.level == 1 and len(part)
        else part
        for part in tiles(objects, grid)
    ]


def restricted(part: TileCandidates, least: float) -> TileCandidates:
    keep = part.masks.predicted_iou > least
    masks = MaskSet.concatenate([part.masks[keep]])
    return replace(part, masks=masks, estimate=part.estimate[keep])


def found_in(fine: Objects, coarse: Objects) -> MaskSet:
    """What is found where tiles of the second level see other objects."""
    grid = replace(GRID, levels=2)
    parts = [seen(grid, fine, 0, number) for number in range(len(grid))]
    numbers = larger_tiles(grid, parts, 1)
    assert numbers == tuple(range(len(grid.covering[1])))
    parts += [seen(grid.covering[1], coarse, 1, number) for number in numbers]
    return join_tiles(grid, parts, PARAMS)


def test_of_two_levels_that_cover_the_plane_the_better_counts() -> None:
    a, b, c = (20, 20, 40, 40), (60, 200, 80, 230), (200, 60, 222, 80)
    larger = (198, 58, 226, 84)
    found = found_in([(a, 0.8), (b, 0.5), (c, 0.6)], [(a, 0.95), (larger, 0.9)])
    assert boxes(found) == sorted([a, b, larger])
    # The coarser one must be clearly better; its score stays what it is.
    assert found.predicted_iou.tolist() == pytest.approx([0.9, 0.8, 0.5])
    assert boxes(found_in([(c, 0.75)], [(larger, 0.9)])) == [c]
    # What only the larger tiles see counts as well, without anything that was cut.
    found = found_in([(a, 0.8)], [(b, 0.45)])
    assert boxes(found) == [a, b]
    assert boxes(found.filter(pred_iou_thresh=0.5)) == [a]


@pytest.mark.parametrize("seed", range(3))
def test_objects_that_both_levels_see_are_there_once(seed: int) -> None:
    objects = [*random_objects(seed), ((2, 2, 358, 12), 0.6)]
    found = join_tiles(grid := replace(GRID, levels=2), tiles(objects, grid), PARAMS)
    alone = join_tiles(GRID, tiles(objects), PARAMS)
    assert boxes(found) == boxes(alone)


def test_masks_that_differ_between_tiles_are_the_owners() -> None:
    grid = TileGrid((100, 300), 176, 48)
    left, right = (
        seen(grid, [((40, col, 60, col + 20), score)], 0, number)
        for number, col, score in ((0, 134, 0.6), (1, 136, 0.9))
    )
    owner = int(grid.owners([[40, 134, 60, 154]])[0])
    found = join_tiles(grid, [left, right], PARAMS)
    assert boxes(found) == [(40, 134, 60, 154) if owner == 0 else (40, 136, 60, 156)]


def test_an_object_that_no_tile_owns_is_not_lost() -> None:
    grid = TileGrid((100, 300), 176, 48)
    middle = int(grid.spans[1][1, 0] + grid.spans[1][0, 1]) // 2
    # Each tile sees it a little on the side of the other one.
    one = seen(grid, [((40, middle - 9, 60, middle + 13), 0.8)], 0, 0)
    two = seen(grid, [((40, middle - 13, 60, middle + 9), 0.7)], 0, 1)
    assert int(grid.owners(one.masks.boxes)[0]) == 1
    assert int(grid.owners(two.masks.boxes)[0]) == 0
    found = join_tiles(grid, [one, two], PARAMS)
    assert boxes(found) == [tuple(one.masks.boxes[0].tolist())]


def test_one_object_or_two_is_decided_once() -> None:
    grid = TileGrid((100, 300), 176, 48)
    middle = int(grid.spans[1][1, 0] + grid.spans[1][0, 1]) // 2
    halves: Objects = [
        ((40, middle - 16, 60, middle - 1), 0.8),
        ((40, middle + 1, 60, middle + 17), 0.8),
    ]
    whole: Objects = [((40, middle - 16, 60, middle + 17), 0.7)]
    found = join_tiles(grid, [seen(grid, halves, 0, 0), seen(grid, whole, 0, 1)], PARAMS)
    # The second half is that of the first tile, although the other one owns it.
    assert boxes(found) == sorted(box for box, _ in halves)
    better: Objects = [(whole[0][0], 0.9)]
    found = join_tiles(grid, [seen(grid, halves, 0, 0), seen(grid, better, 0, 1)], PARAMS)
    assert boxes(found) == [whole[0][0]]


def test_long_objects_come_from_larger_tiles() -> None:
    long: Objects = [((20, 20, 40, 340), 0.8), ((100, 30, 330, 60), 0.9)]
    small = [((200, 200, 220, 230), 0.7)]
    parts = tiles([*long, *small])
    assert max(part.level for part in parts) >= 1
    found = join_tiles(GRID, parts, PARAMS)
    assert boxes(found) == sorted(box for box, _ in [*long, *small])
    assert larger_tiles(GRID, tiles(small), 1) == ()


def test_candidates_in_a_file_are_chosen_from_like_those_in_memory(monkeypatch: Any) -> None:
    parts = tiles(random_objects(3))
    before = join_tiles(GRID, parts, PARAMS)
    monkeypatch.setattr(joining, "IN_MEMORY", 0)
    after = join_tiles(GRID, parts, PARAMS)
    assert np.array_equal(before.to_labels(), after.to_labels())
    assert np.array_equal(before.filter(min_area=200).area, after.filter(min_area=200).area)


def test_candidates_survive_as_bytes() -> None:
    part = tiles(random_objects(4))[5]
    content = part.to_bytes()
    again = TileCandidates.from_bytes(content)
    assert again.to_bytes() == content == part.to_bytes()
    assert (again.level, again.number, again.stored) == (part.level, part.number, part.stored)
    assert again.masks.boxes.tolist() == part.masks.boxes.tolist()
    with pytest.raises(SeganyError, match="it is done again"):
        TileCandidates.from_bytes(content[:200])


def test_holes_and_specks_are_cleaned_within_boxes() -> None:
    mask = np.ones((30, 30), bool)
    mask[10:12, 10:12] = False
    found = MaskSet.from_crops((160, 160), [mask], [(20, 24)], [0.9])
    part = TileCandidates.of(found, GRID, 0, 0)
    cleaned = join_tiles(GRID, [part], PARAMS).filter(min_mask_region_area=9)
    assert cleaned.area.tolist() == [900]


def test_nothing_and_other_bounds() -> None:
    nothing = join_tiles(GRID, [], PARAMS)
    assert (len(nothing), nothing.shape) == (0, GRID.shape)
    empty = TileCandidates(0, 0, MaskSet.empty(GRID.shape), SparseEstimate.nothing(0), SCREEN)
    assert len(join_tiles(GRID, [empty], PARAMS)) == 0
    found = join_tiles(GRID, tiles(random_objects(0)), PARAMS)
    with pytest.raises(InputError, match=r"below 0\.2"):
        found.filter(pred_iou_thresh=0.1)
