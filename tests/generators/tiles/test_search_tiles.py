"""Planes are searched in tiles like in one piece, with progress, regions and cancelling."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.stub import StubModel

from napari_segany.core.tiles import TileGrid
from napari_segany.errors import Cancelled, InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles.find_tile import find_tile, params_in_tile
from napari_segany.generators.tiles.search_tiles import search_tiles
from napari_segany.generators.tiles.tile_candidates import TileCandidates

GRID = TileGrid((200, 400), 160, 40)
PARAMS = AutomaticParams(
    points_per_side=8, pred_iou_thresh=0.1, stability_score_thresh=0.1, min_area=1
)


def plane() -> np.ndarray:
    image = np.zeros((200, 400, 3), np.uint8)
    image[20:60, 40:90] = 200
    return image


def reader(image: np.ndarray, seen: list[Any] | None = None) -> Any:
    def read(box: tuple[int, int, int, int]) -> np.ndarray:
        if seen is not None:
            seen.append(box)
        return image[box[0] : box[2], box[1] : box[3]]

    return read


def test_progress_only_grows_and_ends_complete() -> None:
    reports: list[tuple[int, int]] = []
    search_tiles(
        StubModel(), reader(plane()), GRID, PARAMS, progress=lambda *each: reports.append(each)
    )
    done = [each for each, _ in reports]
    assert done == sorted(set(done))
    assert reports[-1][0] == reports[-1][1]


def test_progress_of_two_scales_is_even() -> None:
    grid, reports = replace(GRID, levels=2), []
    tiles: list[TileCandidates] = []

    def add(part: TileCandidates) -> None:
        tiles.append(part)

    search_tiles(
        StubModel(),
        reader(plane()),
        grid,
        PARAMS,
        progress=lambda *each: reports.append((len(tiles), *each)),
        on_tile=add,
    )
    covering = [part for part in tiles if part.level < 2]
    assert [part.level for part in covering] == [0] * len(grid) + [1] * len(grid.covering[1])
    assert len(covering) == grid.count
    done = {each for _, each, _ in reports}
    assert done.issuperset(range(100, 100 * grid.count + 1, 100))
    assert all(
        100 * count <= each <= 100 * (count + 1) for count, each, _ in reports if count < grid.count
    )
    assert reports[-1][1] == reports[-1][2] == 100 * (grid.count + 1)


def test_tiles_outside_of_a_region_are_not_read() -> None:
    region = np.zeros((200, 400), bool)
    region[10:36, 5:76] = True
    seen: list[Any] = []
    tiles: list[int] = []
    search_tiles(
        StubModel(),
        reader(plane(), seen),
        GRID,
        PARAMS,
        region=region,
        on_tile=lambda part: tiles.append(part.number) if part.level == 0 else None,
    )
    assert tiles == [0]
    assert all(box[0] < 36 and box[1] < 76 for box in seen)
    with pytest.raises(InputError, match="region has shape"):
        search_tiles(StubModel(), reader(plane()), GRID, PARAMS, region=region[:50])


def test_a_search_stops_between_tiles() -> None:
    seen: list[Any] = []
    with pytest.raises(Cancelled):
        search_tiles(
            StubModel(), reader(plane(), seen), GRID, PARAMS, should_stop=lambda: len(seen) >= 2
        )
    assert len(seen) <= 2


def test_blank_tiles_are_not_searched() -> None:
    reports: list[Any] = []
    blank = np.full((160, 160, 3), 7, np.uint8)
    grid = TileGrid((160, 400), 160, 40)
    found = find_tile(
        StubModel(), blank, PARAMS, grid=grid, number=0, progress=lambda *e: reports.append(e)
    )
    assert len(found) == 0
    assert reports == []
    with pytest.raises(InputError, match="has shape"):
        find_tile(StubModel(), blank[:9], PARAMS, grid=grid, number=0)


def test_sides_and_overlaps_follow_the_size_of_objects() -> None:
    small, large = (TileParams(object_size=size).resolved(PARAMS) for size in (24.0, 96.0))
    assert (small.tile_side, small.tile_overlap) == (384, 48)
    assert (large.tile_side, large.tile_overlap) == (1536, 192)
    assert small.is_resolved
    assert TileParams(object_size=24.0, tile_side=512).resolved(PARAMS).tile_side == 512
    assert TileParams.from_dict(small.to_dict()) == small
    # Tiles that are seen twice are larger, which is about as fast.
    twice = TileParams(object_size=24.0).resolved(FinderParams())
    assert (twice.tile_side, twice.tile_overlap) == (512, 48)
    once = TileParams(object_size=24.0).resolved(FinderParams(views=1))
    assert (once.tile_side, once.tile_overlap) == (384, 48)
    # Only finders search two scales unless they are asked for.
    assert (small.tile_scales, twice.tile_scales, once.tile_scales) == (1, 2, 2)
    assert TileParams(object_size=24.0, tile_scales=2).resolved(PARAMS).tile_scales == 2
    assert twice.grid((2000, 2000)).levels == 2
    assert not replace(small, tile_scales=None).is_resolved
    with pytest.raises(InputError, match="not known"):
        TileParams().resolved(PARAMS)
    with pytest.raises(InputError, match="less than half"):
        TileParams(tile_side=100, tile_overlap=60)


def test_a_finder_sees_tiles_twice_unless_asked() -> None:
    def views(given: int | None) -> int | None:
        params = params_in_tile(FinderParams(views=given))
        assert isinstance(params, FinderParams)
        return params.views

    assert (views(None), views(1), views(2)) == (2, 1, 2)


def test_planes_up_to_2048_pixels_are_whole() -> None:
    assert not TileParams().applies_to((2048, 2048))
    assert TileParams().applies_to((10, 2049))
    assert TileParams("always").applies_to((10, 10))
