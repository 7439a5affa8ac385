"""A plane that is seen turned as well gives the maps of both, cell by cell."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.generators.maps import draw_discs, draw_maps

from napari_segany.core.geometry import Frame
from napari_segany.core.plane_flips import FLIPS, TURNED, Flip
from napari_segany.generators.finder_views import MAPS, flip_maps, mean_maps
from napari_segany.models.finder import CELL, ObjectMaps


def discs(shape: tuple[int, int]) -> NDArray[np.int32]:
    return draw_discs(shape, [(30, 30, 18), (30, 62, 17), (75, 50, 20), (70, 100, 14)])


def turned(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.ascontiguousarray(labels[::-1, ::-1])


@pytest.mark.parametrize("flip", FLIPS)
def test_mirror_images_are_those_of_rows_and_of_columns(flip: Flip) -> None:
    maps = draw_maps(discs((128, 128)), noise=0.2)
    back = flip_maps(maps, flip)
    for name in MAPS:
        assert np.array_equal(getattr(back, name), flip.plane(getattr(maps, name)))


@pytest.mark.parametrize("shape", [(128, 128), (96, 128)])
def test_whole_cells_are_turned_to_the_last_bit(shape: tuple[int, int]) -> None:
    maps = draw_maps(discs(shape), noise=0.2)
    back = flip_maps(maps, TURNED)
    again = flip_maps(back, TURNED)
    # The row of cells beyond the plane, on which its last pixels depend, has no counterpart.
    inside = slice(0, shape[0])
    for name in MAPS:
        own = getattr(maps, name)[inside]
        assert np.array_equal(getattr(back, name)[inside], own[::-1, ::-1])
        assert np.array_equal(getattr(again, name)[inside], own)
        assert getattr(back, name).dtype == np.float32


def test_a_side_of_no_whole_number_of_cells_is_turned_about_its_middle() -> None:
    """101 rows are 50.5 cells in a frame of 256: what lies d from one end lies d from the other."""
    maps = draw_maps(discs((101, 257)))
    rows, cols = maps.shape
    assert maps.frame.scaled == (101, 256)
    from_top = (np.arange(rows, dtype=np.float32) + 0.5) * CELL
    shown = replace(maps, interior=np.repeat(from_top[:, None], cols, axis=1))
    back = flip_maps(shown, TURNED).interior
    # Cells in which only the end of the plane lies have no cell beyond to be linear with.
    assert back[1:-1, 5] == pytest.approx(101 - from_top[1:-1])


def test_the_mean_of_two_views_is_that_of_the_turned_plane_turned() -> None:
    """Whatever each view sees, an object that lies elsewhere gets the same maps."""
    labels = discs((96, 128))
    one, two = draw_maps(labels, 0.3, seed=1), draw_maps(turned(labels), 0.3, seed=2)

    def seen(as_it_is: ObjectMaps, turned_view: ObjectMaps) -> ObjectMaps:
        return mean_maps([as_it_is, flip_maps(turned_view, TURNED)])

    plane, same = seen(one, two), flip_maps(seen(two, one), TURNED)
    for name in MAPS:
        assert np.array_equal(getattr(plane, name)[:96], getattr(same, name)[:96])
    assert mean_maps([one]) is one
    assert mean_maps([one, two, one, two]).interior == pytest.approx(
        (one.interior + two.interior) / 2
    )
    zero = replace(one, foreground=np.zeros_like(one.foreground))
    assert np.array_equal(mean_maps([one, zero]).foreground, one.foreground / 2)


@pytest.mark.parametrize("shape", [(30, 114), (94, 114), (100, 120), (146, 60)])
def test_small_planes_are_turned_about_their_middle(shape: tuple[int, int]) -> None:
    """Maps of much enlarged planes may have a cell less than the frame, also on the long side."""
    frame = Frame(shape, 1024)
    cells = frame.side // CELL
    rows, cols = frame.cells_used(cells)
    from_left = np.tile((np.arange(cols, dtype=np.float32) + 0.5) * CELL, (rows, 1))
    maps = draw_maps(discs((96, 128)))
    shown = dict.fromkeys(MAPS, from_left)
    back = flip_maps(replace(maps, frame=frame, **shown), TURNED).interior
    assert back[5, 1:-1] == pytest.approx(frame.scaled[1] - from_left[5, 1:-1], abs=1e-3)
