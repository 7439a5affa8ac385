"""Hashes of planes: equal pixels have one, whatever lies in memory; others have another."""

import numpy as np

from napari_segany.core.pixel_hash import hash_pixels


def test_equal_pixels_have_one_hash_and_others_another() -> None:
    plane = np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    assert hash_pixels(plane[::-1]) == hash_pixels(plane[::-1].copy())
    changed = plane.copy()
    changed[5, 7, 2] += 1
    others = (changed, plane[::-1], plane.reshape(8, 6, 3), plane[..., 0] > 9, plane[..., 0] > 99)
    assert len({hash_pixels(each) for each in (plane, *others)}) == 6


def test_the_channels_of_a_gray_plane_are_read_once() -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    seen = np.broadcast_to(gray[..., None], (3, 4, 3))
    assert hash_pixels(seen) == hash_pixels(np.broadcast_to(gray.copy()[..., None], (3, 4, 3)))
    assert hash_pixels(seen) != hash_pixels(np.broadcast_to(gray[::-1, :, None], (3, 4, 3)))
