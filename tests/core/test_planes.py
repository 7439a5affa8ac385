from typing import Any

import numpy as np
import pytest

from napari_segany.core.intensity import PERCENTILES, find_limits
from napari_segany.core.planes import StackLayout, guess_axes
from napari_segany.errors import InputError


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((64, 80), "YX"),
        ((1, 1), "YX"),
        ((64, 80, 3), "YXS"),
        ((64, 80, 4), "YXS"),
        ((3, 64, 80), "ZYX"),
        ((4, 3, 64, 80), "TZYX"),
        ((10, 64, 80, 3), "ZYXS"),
        ((2, 3, 4, 64, 80), "TCZYX"),
        ((2, 3, 64, 80, 3), "TZYXS"),
    ],
)
def test_axes_that_are_guessed(shape: tuple[int, ...], axes: str) -> None:
    assert guess_axes(shape) == axes
    StackLayout(axes, shape)


@pytest.mark.parametrize("shape", [(), (5,), (2, 2, 2, 2, 64, 64)])
def test_what_cannot_be_guessed_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="give axes to say what it is"):
        guess_axes(shape)


@pytest.mark.parametrize(
    ("axes", "shape", "channels", "message"),
    [
        ("YX", (2, 3, 4), (0,), r"axes 'YX' names 2 axes, the image has shape \(2, 3, 4\)"),
        ("ZX", (3, 4), (0,), "axes must name Y and X once each"),
        ("YYX", (2, 3, 4), (0,), "axes must name Y and X once each"),
        ("WYX", (2, 3, 4), (0,), "got 'WYX'"),
        ("tyx", (2, 3, 4), (0,), "got 'tyx'"),
        ("ZYX", (0, 3, 4), (0,), "no pixels"),
        ("YXS", (5, 6, 2), (0,), "1, 3 or 4 samples, got 2"),
        ("CYX", (2, 5, 6), (2,), r"no channel 2; the image has channels 0\.\.1"),
        ("CYX", (2, 5, 6), (-1,), "no channel -1"),
        ("YX", (5, 6), (1,), r"no channel 1; the image has one channel, 0"),
        ("CYX", (4, 5, 6), (0, 1, 2, 3), "one channel, or two or three"),
        ("CYX", (4, 5, 6), (), "one channel, or two or three"),
        ("CYXS", (4, 5, 6, 3), (0, 1, 2), "one channel, or two or three"),
    ],
)
def test_wrong_axes_and_channels_are_told(
    axes: str, shape: tuple[int, ...], channels: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        StackLayout(axes, shape, channels)


def test_planes_come_in_the_order_of_the_axes() -> None:
    data = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    layout = StackLayout("TCZYX", data.shape, (1,))
    assert layout.leading == "TZ"
    assert layout.labels_axes == "TZYX"
    assert layout.labels_shape == (2, 4, 5, 6)
    assert layout.plane_count == 8
    indices = list(layout.indices())
    assert indices[:5] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
    for t, z in indices:
        assert np.array_equal(layout.plane(data, (t, z)), data[t, 1, z])


def test_axes_may_come_in_any_order() -> None:
    data = np.arange(5 * 2 * 6 * 3).reshape(5, 2, 6, 3)
    layout = StackLayout("XZYS", data.shape)
    assert layout.labels_shape == (2, 6, 5)
    assert np.array_equal(layout.plane(data, (1,)), data[:, 1].transpose(1, 0, 2))


def test_channels_and_samples_become_colours() -> None:
    data = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    layout = StackLayout("CYX", data.shape, (3, 0, 2))
    assert np.array_equal(layout.plane(data, ()), np.stack([data[3], data[0], data[2]], axis=-1))
    assert layout.colours == 3
    rgba = np.arange(5 * 6 * 4).reshape(5, 6, 4)
    assert np.array_equal(StackLayout("YXS", rgba.shape).plane(rgba, ()), rgba[..., :3])
    single = rgba[..., :1]
    assert np.array_equal(StackLayout("YXS", single.shape).plane(single, ()), rgba[..., 0])
    assert [StackLayout("YXS", (5, 6, n)).colours for n in (1, 3, 4)] == [1, 3, 3]


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX", "ZYCX", "ZYXC"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_two_channels_anywhere_leave_the_third_colour_empty(axes: str, dtype: str) -> None:
    data = np.arange(2 * 3 * 5 * 6).reshape(2, 3, 5, 6).astype(dtype)
    moved = data.transpose(["CZYX".index(axis) for axis in axes])
    layout = StackLayout(axes, moved.shape, (1, 0))
    assert layout.labels_axes == "ZYX"
    assert layout.colours == 3
    plane = layout.plane(moved, (2,))
    assert np.array_equal(plane, np.stack([data[1, 2], data[0, 2], np.zeros((5, 6))], axis=-1))
    assert plane.dtype == (np.uint16 if dtype == "uint8" else np.dtype(dtype))


class Lazy:
    """An array that remembers what was read of it."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.shape = data.shape
        self.read: list[int] = []

    def __getitem__(self, key: Any) -> Any:
        part = self.data[key]
        self.read.append(part.size)
        return part


def test_limits_of_a_stack_read_one_plane_at_a_time() -> None:
    data = Lazy(np.random.default_rng(0).normal(size=(6, 2, 30, 40)))
    layout = StackLayout("TCYX", data.shape, (1,))
    ((low, high),) = layout.limits(data, PERCENTILES)
    assert (low, high) == find_limits(data.data[:, 1])
    assert data.read == [30 * 40] * 6


def test_limits_of_colours_come_in_pairs() -> None:
    data = np.random.default_rng(0).normal(size=(3, 30, 40, 3)) * [1, 10, 100]
    pairs = StackLayout("ZYXS", data.shape).limits(data, PERCENTILES)
    assert pairs == tuple(find_limits(data[..., i]) for i in range(3))


def test_limits_of_long_stacks_are_sampled() -> None:
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(1024, 1024))
    ((low, high),) = StackLayout("YX", plane.shape).limits(plane, PERCENTILES)
    assert (low, high) == pytest.approx(find_limits(plane), rel=0.02)
    assert (low, high) != find_limits(plane)
    # Gradients along either axis are sampled all over.
    for axis in (0, 1):
        ramp = np.indices((1024, 1024))[axis].astype(np.float64)
        assert StackLayout("YX", ramp.shape).limits(ramp, PERCENTILES)[0] == pytest.approx(
            find_limits(ramp), abs=8
        )


def test_what_is_not_finite_stays_out_of_the_limits() -> None:
    data = np.random.default_rng(0).normal(size=(3, 30, 40))
    data[0] = np.nan
    data[1, :5] = np.inf
    ((low, high),) = StackLayout("ZYX", data.shape).limits(data, PERCENTILES)
    assert (low, high) == find_limits(data)
    with pytest.raises(InputError, match="No pixel is a finite number"):
        StackLayout("ZYX", (1, 30, 40)).limits(data[:1], PERCENTILES)


@pytest.mark.parametrize("value", [0, 7, -1e300, 1e17, 2**63])
def test_limits_of_a_constant_stack_are_in_order(value: float) -> None:
    data = np.full((2, 5, 6), value)
    ((low, high),) = StackLayout("ZYX", data.shape).limits(data, PERCENTILES)
    assert low == value
    assert low < high < np.inf


@pytest.mark.parametrize("dtype", [complex, object, str])
def test_limits_of_what_is_no_image(dtype: type) -> None:
    data = np.ones((2, 5, 6)).astype(dtype)
    with pytest.raises(InputError, match="cannot be segmented"):
        StackLayout("ZYX", data.shape).limits(data, PERCENTILES)
