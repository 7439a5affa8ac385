"""Tests of the small pictures of candidates."""

import numpy as np

from napari_segany.core.masks import MaskSet
from napari_segany.plugin.shared.colours import OUTLINE, rgb
from napari_segany.plugin.shared.thumbnails import (
    SIDE,
    draw_thumbnail,
    picture_of_plane,
    window_around,
)


def one_mask(box: tuple[int, int, int, int], shape: tuple[int, int] = (200, 300)) -> MaskSet:
    mask = np.zeros((1, *shape), np.bool_)
    mask[0, box[0] : box[2], box[1] : box[3]] = True
    return MaskSet.from_masks(mask)


def test_a_small_object_fills_half_of_its_picture() -> None:
    masks = one_mask((100, 150, 110, 160))
    window = window_around(masks, 0)
    assert window.top < 100
    assert window.top + window.side > 110
    drawn = draw_thumbnail(masks, 0, np.full((SIDE, SIDE, 3), 200, np.uint8))
    inside = (drawn == 200).all(-1) | (drawn == rgb(OUTLINE)).all(-1)
    assert 0.3 < inside.mean() < 0.6
    assert (drawn == rgb(OUTLINE)).all(-1).any()
    assert drawn[0, 0].tolist() == [90, 90, 90]


def test_a_picture_is_black_outside_the_plane() -> None:
    plane = np.full((200, 300), 7.0)
    picture = picture_of_plane(plane, window_around(one_mask((0, 0, 40, 40)), 0), (0.0, 7.0))
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[-1, -1].tolist() == [255, 255, 255]


def test_two_channels_are_red_and_green() -> None:
    plane = np.stack([np.full((50, 50), 10.0), np.full((50, 50), 5.0)], axis=-1)
    picture = picture_of_plane(
        plane, window_around(one_mask((20, 20, 30, 30), (50, 50)), 0), (0, 10)
    )
    assert picture[SIDE // 2, SIDE // 2].tolist() == [255, 127, 0]


def test_pixels_that_are_not_numbers_are_black() -> None:
    plane = np.full((50, 50), np.nan)
    picture = picture_of_plane(
        plane, window_around(one_mask((20, 20, 30, 30), (50, 50)), 0), (0, 1)
    )
    assert not picture.any()
