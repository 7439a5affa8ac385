"""Windows of planes from arrays and sources, and limits that all windows share."""

import numpy as np
import pytest

from napari_segany.core.display import Display
from napari_segany.core.image_source import ArraySource, CompositeSource, DisplayedSource
from napari_segany.core.intensity import find_limits
from napari_segany.core.plane_windows import (
    ArrayPlane,
    LayoutPlane,
    SourcePlane,
    plane_size,
    sampled_limits,
    windowed,
)
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 60_000, (4, 40, 60)).astype(np.uint16)


def test_windows_of_sources_are_parts_of_their_planes() -> None:
    channels = RNG.integers(0, 255, (40, 60, 5)).astype(np.uint16)
    other = ArraySource(STACK[::-1])
    cases = [
        (ArraySource(STACK), (2, None, None)),
        (ArraySource(STACK), (None, 7, None)),
        (ArraySource(RNG.integers(0, 255, (3, 40, 60, 4)), rgb=True), (1, None, None)),
        (ArraySource(channels, channel_axis=2, channels=(4, 0)), (None, None)),
        (CompositeSource([ArraySource(STACK), other]), (3, None, None)),
        (DisplayedSource(ArraySource(STACK), (0, 9)), (2, None, None)),
    ]
    for source, plane in cases:
        rows, cols = slice(1, 3), slice(5, 21)
        lazy = SourcePlane(source, plane)
        assert np.array_equal(lazy.window(rows, cols), source.read(plane)[rows, cols])
        assert np.array_equal(np.asarray(lazy), source.read(plane))
        assert plane_size(lazy) == source.read(plane).shape[:2]


def test_levels_may_have_fewer_planes() -> None:
    source = ArraySource(STACK, coarser=[STACK[::2, ::2, ::2]])
    plane = SourcePlane(source, (3, None, None))
    assert plane.level_shapes == ((40, 60), (20, 30))
    found = plane.window(slice(0, 4), slice(2, 9), 1)
    assert np.array_equal(found, STACK[2, ::2, ::2][0:4, 2:9])


def test_planes_of_files_have_the_windows_of_the_same_planes_of_layers() -> None:
    levels = [STACK, STACK[::2, ::2, ::2]]
    layout = StackLayout("ZYX", (4, 40, 60)).restricted([("Z", 1, 4)])
    opened = LayoutPlane(levels, layout, (3,))
    layer = SourcePlane(ArraySource(STACK, coarser=levels[1:]), (3, None, None))
    assert opened.level_shapes == layer.level_shapes
    assert np.array_equal(np.asarray(opened), STACK[3])
    for level in (0, 1):
        rows, cols = slice(2, 11), slice(0, 30)
        assert np.array_equal(opened.window(rows, cols, level), layer.window(rows, cols, level))


def test_images_have_the_levels_that_all_of_them_have() -> None:
    one = ArraySource(STACK, coarser=[STACK[:, ::2, ::2], STACK[:, ::4, ::4]])
    two = ArraySource(STACK, coarser=[STACK[:, ::2, ::2]])
    assert CompositeSource([one, two]).level_shapes == ((4, 40, 60), (4, 20, 30))


def test_limits_of_a_plane_smaller_than_the_sample_are_its_percentiles() -> None:
    plane = windowed(STACK[0])
    assert isinstance(plane, ArrayPlane)
    assert sampled_limits(plane, None) == (find_limits(STACK[0]),)
    display = sampled_limits(plane, Display(gamma=0.5))
    assert isinstance(display, Display)
    assert display.pairs == find_limits(STACK[0])
    assert display.gamma == (0.5,)


def test_limits_that_are_known_stay() -> None:
    plane = windowed(STACK[0])
    assert sampled_limits(plane, (3, 9)) == (3, 9)
    given = Display(((1, 5),))
    assert sampled_limits(plane, given) is given
    colours = windowed(RNG.integers(0, 255, (40, 60, 3)).astype(np.uint8))
    assert sampled_limits(colours, None) is None


def test_limits_of_one_brightness_differ() -> None:
    ((low, high),) = sampled_limits(windowed(np.full((30, 30), 7, np.uint8)), None)  # type: ignore
    assert low == 7 < high


def test_what_is_no_plane_is_refused() -> None:
    with pytest.raises(InputError, match="must have shape"):
        windowed([1, 2, 3])
    assert plane_size([1, 2]) is None
