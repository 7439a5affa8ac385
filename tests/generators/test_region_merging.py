"""Borders of regions, and the order of merging."""

from dataclasses import replace

import numpy as np
import pytest
from tests.generators.maps import draw_maps

from napari_segany.generators.region_merging import OUTLINES, Borders, find_borders, merge_basins


def test_borders_of_two_halves() -> None:
    """Pairs of cells count where both are within an outline."""
    maps = draw_maps(np.ones((8, 8), np.int32), side=16)
    foreground = np.full((8, 8), 0.5, np.float32)
    foreground[3:6] = 0.9
    maps = replace(maps, foreground=foreground, contour=np.full((8, 8), 0.2, np.float32))
    labels = np.ones((8, 8), np.int32)
    labels[:, 4:] = 2
    borders = find_borders(labels, maps)
    assert borders.pairs.tolist() == [[0, 1]]
    [(_, pairs, *inner)] = borders.sums.tolist()
    assert pairs == 8
    assert OUTLINES == (0.4, 0.6)
    assert inner == pytest.approx([0.2 * 8, 8, 0.2 * 3, 3])
    assert len(find_borders(np.zeros((8, 8), np.int32), maps).pairs) == 0


def test_regions_are_merged_by_the_strength_of_the_whole_border() -> None:
    # Three in a row: 0 and 1 have the weaker border; together they border 2 more strongly.
    merges = merge_basins(
        3,
        Borders(
            np.array([[0, 1], [1, 2], [0, 2]]),
            np.array([[0.2, 1, 0, 0], [0.6, 2, 0, 0], [0.9, 1, 0, 0]]),
        ),
    )
    assert merges.children.tolist() == [[0, 1], [2, 3]]
    assert merges.crossed[:, 0] == pytest.approx([0.2, 1.5])
    assert merges.crossed[:, 1] == pytest.approx([1, 3])
    assert merges.weakest[4] == 1
