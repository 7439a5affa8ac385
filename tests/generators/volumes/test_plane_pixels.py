"""Cells of maps cover the pixels of a plane."""

import numpy as np

from napari_segany.generators.volumes.plane_pixels import depths, enlarge_cells, within_outline


def test_every_pixel_has_the_value_of_its_cell() -> None:
    cells = np.arange(6).reshape(2, 3)
    assert np.array_equal(enlarge_cells(cells, 1, (2, 3)), cells)
    # The last cells reach beyond the plane.
    assert np.array_equal(
        enlarge_cells(cells, 2, (3, 5)), [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]
    )


def test_outlines_lie_between_the_middles_of_cells() -> None:
    foreground = np.tile(np.float32([1, 1, 0, 0]), (4, 1))
    assert np.array_equal(within_outline(foreground, 0.5, 1, (4, 4)), foreground > 0.5)
    inside = within_outline(foreground, 0.5, 4, (15, 14))
    assert inside.shape == (15, 14)
    assert inside[:, :8].all()
    assert not inside[:, 8:].any()
    # Nearer to the certain side with a higher bound.
    assert within_outline(foreground, 0.9, 4, (16, 16)).sum() < inside.sum()


def test_pixels_lie_within_so_many_outlines() -> None:
    foreground = np.float32([[0.1, 0.2, 0.5, 0.9]])
    assert depths(foreground, (0.15, 0.3, 0.6), 1, (1, 4)).tolist() == [[0, 1, 2, 3]]
    fine = depths(foreground, (0.15, 0.3, 0.6), 4, (3, 14))
    for number, outline in enumerate((0.15, 0.3, 0.6)):
        assert np.array_equal(fine > number, within_outline(foreground, outline, 4, (3, 14)))
