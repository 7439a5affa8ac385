"""Size of objects and scale of tiles, estimated from windows of a plane."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.generators.squares import use_squares
from tests.stub import StubModel

from napari_segany.core.masks import MaskSet
from napari_segany.errors import Cancelled
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import generate_masks, resolve_params
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles import object_size
from napari_segany.generators.tiles.object_size import SizeEstimate, estimate_object_size
from napari_segany.tiled_planes import settle_tiles

SHAPE = (1024, 1024)
AT_48 = 552
"""Side of tiles in which squares of 26 pixels have 48 pixels in the frame."""


@pytest.fixture
def plane() -> np.ndarray:
    """Squares of 26 pixels on a dark ground."""
    image = np.zeros((*SHAPE, 3), np.uint8)
    for row in range(10, 980, 40):
        for col in range(10, 980, 40):
            image[row : row + 26, col : col + 26] = 200
    return image


@pytest.fixture
def params(monkeypatch: pytest.MonkeyPatch) -> FinderParams:
    use_squares(monkeypatch)
    return resolve_params(StubModel(), FinderParams())


def reader(image: np.ndarray, sides: list[int] | None = None) -> Any:
    def read(box: tuple[int, int, int, int]) -> np.ndarray:
        if sides is not None:
            sides.append(box[2] - box[0])
        return image[box[0] : box[2], box[1] : box[3]]

    return read


def see_best(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the search of other windows than those of one side find every third object only."""

    def search(model: Any, window: np.ndarray, *args: Any, **ways: Any) -> MaskSet:
        found = generate_masks(model, window, *args, **ways)
        return found if max(window.shape[:2]) == side else found[::3]

    monkeypatch.setattr(object_size, "generate_masks", search)


def test_all_scales_alike_leave_the_side_to_the_size(
    plane: np.ndarray, params: FinderParams
) -> None:
    found = estimate_object_size(StubModel(), reader(plane), SHAPE, params)
    assert (found.size, found.side) == (26, None)
    assert found.objects > 100
    tiles, estimate = settle_tiles(
        TileParams(), StubModel(), params, SHAPE, [lambda: reader(plane)]
    )
    assert estimate == found
    assert tiles.tile_side == AT_48


@pytest.mark.parametrize("side", [256, 1024])
def test_the_scale_that_shows_more_is_taken(
    plane: np.ndarray, params: FinderParams, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    see_best(side, monkeypatch)
    sides: list[int] = []
    found = estimate_object_size(StubModel(), reader(plane, sides), SHAPE, params)
    assert (found.size, found.side, found.usual_side) == (26, side, AT_48)
    # The usual side is looked at before it is left.
    assert AT_48 in sides
    readers = [lambda: reader(plane)]
    tiles, _ = settle_tiles(TileParams(), StubModel(), params, SHAPE, readers)
    assert (tiles.object_size, tiles.tile_side, tiles.tile_overlap) == (26, side, 52)
    # What is given is used as it is.
    given, estimate = settle_tiles(TileParams(object_size=26), StubModel(), params, SHAPE, readers)
    assert (given.tile_side, estimate) == (AT_48, None)
    given, estimate = settle_tiles(TileParams(tile_side=400), StubModel(), params, SHAPE, readers)
    assert given.tile_side == 400
    # No other side is advised, and none is said to be used.
    assert estimate is not None
    assert estimate.side is None
    assert estimate.usual_side is None


def test_what_another_side_costs_is_counted_in_tiles() -> None:
    found = SizeEstimate(20.0, 50, 256, 456)
    assert found.tile_ratio(40) == pytest.approx((416 / 216) ** 2)
    assert SizeEstimate(20.0, 50).tile_ratio(40) == 1.0
    # As many as the grids of a large plane have.
    counts = [
        len(TileParams("auto", 20, side, 40, 1).grid((20_000, 20_000))) for side in (256, 456)
    ]
    assert counts[0] / counts[1] == pytest.approx(found.tile_ratio(40), rel=0.05)


def test_the_usual_side_is_kept_where_it_shows_as_much(
    plane: np.ndarray, params: FinderParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(model: Any, window: np.ndarray, *args: Any, **ways: Any) -> MaskSet:
        found = generate_masks(model, window, *args, **ways)
        # Between the sides that are looked at first, one is as good as the best of them.
        return found if max(window.shape[:2]) in (256, AT_48) else found[::3]

    monkeypatch.setattr(object_size, "generate_masks", search)
    found = estimate_object_size(StubModel(), reader(plane), SHAPE, params)
    assert found.side is None


def test_other_strategies_keep_the_side_of_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def search(model: Any, window: np.ndarray, *args: Any, **ways: Any) -> MaskSet:
        size = max(window.shape[:2])
        count = 30 if size == 1024 else 3
        squares = [np.ones((20, 20), bool)] * count
        corners = [(30 + 24 * (n % 6), 30 + 24 * (n // 6)) for n in range(count)]
        return MaskSet.from_crops(window.shape[:2], squares, corners)

    monkeypatch.setattr(object_size, "generate_masks", search)
    noise = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3)).astype(np.uint8)
    found = estimate_object_size(StubModel(), reader(noise), SHAPE, AutomaticParams())
    assert (found.size, found.side) == (20, None)


def squares(window: np.ndarray, corners: list[tuple[int, int]], side: int, score: float) -> MaskSet:
    crops = [np.ones((side, side), bool)] * len(corners)
    found = MaskSet.from_crops(window.shape[:2], crops, corners)
    return replace(found, predicted_iou=np.full(len(found), score, np.float32))


def raster(start: int, step: int, count: int) -> list[tuple[int, int]]:
    places = range(start, start + step * count, step)
    return [(row, col) for row in places for col in places]


def estimate_from(monkeypatch: pytest.MonkeyPatch, found_in: dict[int, MaskSet]) -> float:
    """Estimate from what windows of some sides show; all others show nothing."""

    def search(model: Any, window: np.ndarray, *args: Any, **ways: Any) -> MaskSet:
        return found_in.get(max(window.shape[:2]), MaskSet.empty(window.shape[:2]))

    monkeypatch.setattr(object_size, "generate_masks", search)
    monkeypatch.setattr(object_size, "PLACES", 1)
    bright = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3)).astype(np.uint8)
    image = bright // 2
    image[512:640, 512:640] = bright[512:640, 512:640]
    # Windows of 256 pixels begin at row and column 448.
    return estimate_object_size(StubModel(), reader(image), SHAPE, AutomaticParams()).size


def test_objects_count_by_the_area_in_which_they_were_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = squares(np.zeros((256, 256)), raster(20, 70, 3), 20, 0.7)
    # More of them than of the small ones, in an area that is 16 times as large.
    large = squares(np.zeros(SHAPE), raster(20, 100, 9), 80, 0.7)
    assert estimate_from(monkeypatch, {1024: large}) == 80
    assert estimate_from(monkeypatch, {256: small, 1024: large}) == 20


def test_a_group_of_objects_is_no_object(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = squares(np.zeros((256, 256)), raster(20, 70, 3), 20, 0.7)
    group = squares(np.zeros(SHAPE), [(350, 350)], 500, 0.95)
    assert estimate_from(monkeypatch, {1024: group}) == 500
    assert estimate_from(monkeypatch, {256: inside, 1024: group}) == 20
    # Parts of an object, each no better than the whole, are none.
    parts = squares(np.zeros((256, 256)), [(100, 100), (100, 130)], 20, 0.7)
    assert estimate_from(monkeypatch, {256: parts, 1024: group}) == 500


def test_nothing_found_is_a_guess_and_stops_at_once(
    plane: np.ndarray, params: FinderParams
) -> None:
    found = estimate_object_size(StubModel(), reader(np.zeros_like(plane)), SHAPE, params)
    assert (found.objects, found.side) == (0, None)
    with pytest.raises(Cancelled):
        estimate_object_size(StubModel(), reader(plane), SHAPE, params, should_stop=lambda: True)
