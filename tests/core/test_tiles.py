"""Tiles cover a plane, share enough with their neighbours, and own every box once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segany.core.tiles import ALIGNMENT, TileGrid
from napari_segany.errors import InputError

GRIDS = st.builds(
    lambda h, w, side, part: TileGrid((h, w), side, int(part * (side - 18) / 2)),
    st.integers(1, 900),
    st.integers(1, 900),
    st.integers(64, 300),
    st.floats(0, 0.99),
)


@settings(deadline=None)
@given(GRIDS)
def test_tiles_cover_the_plane_and_overlap_enough(grid: TileGrid) -> None:
    covered = np.zeros(grid.shape, np.int64)
    for tile in grid:
        covered[tile.slices] += 1
        top, left, bottom, right = tile.box
        assert left % ALIGNMENT == 0
        assert bottom - top <= grid.side + ALIGNMENT - 1
        assert min(grid.side, grid.shape[0]) <= bottom - top
        assert min(grid.side, grid.shape[1]) <= right - left
    assert covered.min() >= 1
    for spans in grid.spans:
        assert (spans[:-1, 1] - spans[1:, 0] >= grid.overlap).all()


@settings(deadline=None)
@given(GRIDS, st.integers(0, 999))
def test_the_owner_sees_a_box_of_the_overlap_whole(grid: TileGrid, seed: int) -> None:
    rng = np.random.default_rng(seed)
    side = np.minimum(max(grid.overlap, 1), grid.shape)
    start = rng.integers(0, np.array(grid.shape) - side + 1, (20, 2))
    boxes = np.concatenate([start, start + side], axis=1)
    owners, room = grid.owners(boxes), grid.most_room(boxes)
    assert (room >= 0).all()
    for box, owner, most in zip(boxes, owners.tolist(), room, strict=True):
        every = [grid.room(number, box[None])[0] for number in range(len(grid))]
        assert every[owner] == most == max(every)
        assert owner in grid.reaching(tuple(box.tolist()))


def test_neighbours_are_the_tiles_that_share_pixels() -> None:
    grid = TileGrid((390, 390), 160, 32)
    assert (grid.rows, grid.cols) == (3, 3)
    assert grid.neighbours(0) == (1, 3, 4)
    assert grid.neighbours(4) == (0, 1, 2, 3, 5, 6, 7, 8)


def test_larger_tiles_end_with_the_plane() -> None:
    grid = TileGrid((700, 500), 200, 40)
    larger = grid.coarser()
    assert larger is not None
    assert (larger.side, larger.overlap) == (400, 80)
    whole = larger.coarser()
    assert whole is not None
    assert len(whole) == 1
    assert whole.coarser() is None


def test_levels_cover_the_plane_as_far_as_there_are_larger_tiles() -> None:
    grid = TileGrid((500, 700), 160, 40, levels=3)
    assert [(each.side, each.overlap) for each in grid.covering] == [
        (160, 40),
        (320, 80),
        (640, 160),
    ]
    assert [each.levels for each in grid.covering] == [3, 2, 1]
    assert grid.count == sum(len(each) for each in grid.covering)
    assert len(TileGrid((500, 700), 400, 40, levels=3).covering) == 2
    assert TileGrid((500, 700), 160, 40).covering == (TileGrid((500, 700), 160, 40),)
    with pytest.raises(InputError, match="at least one level"):
        TileGrid((500, 700), 160, 40, levels=0)
    # The tiles of a level are the same, whatever covers the plane.
    one, other = grid.coarser(), TileGrid((500, 700), 160, 40).coarser()
    assert one is not None
    assert other is not None
    assert [each.box for each in one] == [each.box for each in other]


def test_overlaps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="less than half"):
        TileGrid((100, 100), 64, 32)
