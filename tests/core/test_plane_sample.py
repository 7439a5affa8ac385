"""Intensity limits of large planes: those of a sample of windows, the same from every array."""

from typing import Any

import numpy as np
import pytest

from napari_segany.core import plane_sample
from napari_segany.core.intensity import find_limits
from napari_segany.core.plane_sample import plane_limits, sample_windows
from napari_segany.core.planes import StackLayout
from napari_segany.errors import BlankPlaneError

RNG = np.random.default_rng(0)


class Lazy:
    """An array that notes how many pixels were read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.shape, self.dtype, self.read = pixels, pixels.shape, pixels.dtype, 0

    def __getitem__(self, key: Any) -> np.ndarray:
        part = self.pixels[key]
        self.read += part.size
        return part


def test_limits_of_a_small_plane_are_those_of_the_plane() -> None:
    stack = RNG.normal(100, 20, (2, 60, 80)).astype(np.float32)
    layout = StackLayout("ZYX", stack.shape)
    assert plane_limits(stack, layout, (1,)) == (find_limits(stack[1]),)


def test_limits_of_a_large_plane_come_from_few_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_sample, "SAMPLED_FROM", 10_000)
    monkeypatch.setattr(plane_sample, "WINDOW_SIDE", 16)
    pixels = RNG.integers(0, 1000, (800, 1000)).astype(np.uint16)
    lazy = Lazy(pixels)
    found = plane_limits(lazy, StackLayout("YX", lazy.shape), ())
    assert lazy.read == 8 * 8 * 16 * 16
    assert found is not None
    np.testing.assert_allclose(found[0], find_limits(pixels), rtol=0.05, atol=10)


def test_windows_lie_within_the_plane_and_cover_a_narrow_side() -> None:
    for shape in ((5000, 40_000), (40_000, 1000), (4096, 4096), (100, 10**6)):
        for top, left, bottom, right in sample_windows(shape):
            assert 0 <= top < bottom <= shape[0]
            assert 0 <= left < right <= shape[1]
        assert len(list(sample_windows(shape))) in (8, 64)
    assert list(sample_windows((4000, 4000))) == [(0, 0, 4000, 4000)]


def test_colours_of_8_bits_have_no_limits_and_constant_planes_some() -> None:
    colours = np.zeros((8, 9, 3), np.uint8)
    assert plane_limits(colours, StackLayout("YXS", colours.shape), ()) is None
    assert plane_limits(np.zeros((8, 9)), StackLayout("YX", (8, 9)), ()) == ((0.0, 1.0),)
    with pytest.raises(BlankPlaneError):
        plane_limits(np.full((8, 9), np.nan), StackLayout("YX", (8, 9)), ())
