import logging
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_segany.core.intensity import PIXELS_AT_ONCE, check_limits, find_limits, to_rgb
from napari_segany.errors import InputError

RAMP = np.arange(1000, dtype=np.float64).reshape(20, 50)


def gray(plane: Any, **options: Any) -> NDArray[np.uint8]:
    rgb = to_rgb(plane, **options)
    assert rgb.dtype == np.uint8
    assert rgb.shape == (*np.shape(plane)[:2], 3)
    assert (rgb == rgb[..., :1]).all(), "a gray plane is repeated three times"
    return rgb[..., 0]


def test_the_1_and_99_8_percentiles_become_black_and_white() -> None:
    ramp = RAMP
    low, high = np.percentile(ramp, (1, 99.8))
    assert find_limits(ramp) == (low, high)
    seen = gray(ramp)
    assert (seen[ramp <= low] == 0).all()
    assert (seen[ramp >= high] == 255).all()
    middle = (ramp > low) & (ramp < high)
    expected = (ramp[middle] - low) / (high - low) * 255
    assert np.abs(seen[middle] - expected).max() <= 0.5


@pytest.mark.parametrize(
    "dtype",
    ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">u2", ">i4", ">f4", ">f8"],
)
def test_the_type_of_the_numbers_does_not_matter(dtype: str) -> None:
    values = (RAMP % 120).round()
    assert np.array_equal(gray(values.astype(dtype)), gray(values))


def test_gray_uint8_is_stretched_and_uint8_rgb_passes_unchanged() -> None:
    dim = (RAMP % 20).astype(np.uint8)
    assert gray(dim).max() == 255
    rgb = np.stack([dim, dim + 1, dim + 2], axis=-1)
    assert np.array_equal(to_rgb(rgb), rgb)
    assert to_rgb(rgb, limits=(0, 10)).max() == 255


def test_colours_are_stretched_one_by_one() -> None:
    rgb = np.stack([RAMP, RAMP * 1000, RAMP - 5000], axis=-1)
    seen = to_rgb(rgb)
    assert np.array_equal(seen[..., 0], gray(RAMP))
    assert np.abs(seen.astype(int) - seen[..., :1]).max() <= 1


@pytest.mark.parametrize(
    "plane",
    [
        (RAMP / 500 - 1) * np.finfo(np.float64).max,
        ((RAMP / 500 - 1) * np.finfo(np.float32).max).astype(np.float32),
        ((RAMP / 500 - 1) * 65504).astype(np.float16),
        RAMP * 5e-322,
        RAMP.astype(np.uint64) * np.uint64(2**54) + np.uint64(2**58),
        (RAMP.astype(np.int64) - 500) * 2**54,
    ],
    ids=["float64 max", "float32 max", "float16 max", "subnormal", "uint64", "int64"],
)
def test_extreme_numbers_do_not_overflow(plane: NDArray[np.generic]) -> None:
    seen = gray(plane).astype(int)
    assert np.abs(seen - gray(RAMP)).max() <= 1


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8"])
def test_the_least_and_the_greatest_number_side_by_side(dtype: str) -> None:
    kind = np.dtype(dtype)
    range_ = np.iinfo(kind) if kind.kind == "i" else np.finfo(kind)
    assert gray(np.array([[range_.min, range_.max]], kind)).tolist() == [[0, 255]]


def test_booleans_are_black_and_white() -> None:
    assert np.array_equal(gray(RAMP > 300), np.where(RAMP > 300, 255, 0))


@pytest.mark.parametrize(
    "plane", [np.full((3, 4), 7), np.full((3, 4), -1e300), np.zeros((1, 1)), np.array([[5]], "u1")]
)
def test_a_constant_plane_is_black(plane: NDArray[np.generic]) -> None:
    assert not gray(plane).any()


def test_few_bright_pixels_on_black_are_seen() -> None:
    plane = np.zeros((100, 100), np.uint16)
    plane[50, 50:53] = 4000
    assert gray(plane)[50, 51] == 255


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_darkest_and_kept_out_of_the_limits(
    bad: float, caplog: pytest.LogCaptureFixture
) -> None:
    plane = RAMP.copy()
    plane[3] = bad
    finite = plane[np.isfinite(plane)]
    low, high = np.percentile(finite, (1, 99.8))
    seen = gray(plane)
    assert not seen[3].any()
    assert np.array_equal(seen[4:], gray(plane[4:], limits=(low, high)))
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.getMessage() for r in warnings] == [
        "50 pixels are not finite; they are treated as the darkest value."
    ]


@pytest.mark.parametrize("colours", [0, 3])
@pytest.mark.parametrize("limits", [None, (0.0, 1.0)])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_finite_is_no_image(bad: float, limits: Any, colours: int) -> None:
    shape = (4, 5, colours) if colours else (4, 5)
    with pytest.raises(InputError, match="No pixel is a finite number"):
        to_rgb(np.full(shape, bad), limits)


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (np.zeros((0, 5)), r"shape \(0, 5\), so there are no pixels"),
        (np.zeros((5, 0, 3)), r"shape \(5, 0, 3\), so there are no pixels"),
        (RAMP + 1j, "type complex128 cannot be segmented; give booleans, integers or real"),
        (RAMP.astype(object), "type object cannot be segmented"),
        (RAMP.astype(str), "cannot be segmented"),
        (None, "type object cannot be segmented"),
        ([[1, 2], [3]], "The image is no array"),
        (RAMP[0], r"shape \(Y, X\) or \(Y, X, 3\), got \(50,\); for stacks .*segment_everything"),
        (np.zeros((5, 6, 4)), r"got \(5, 6, 4\)"),
        (np.zeros((2, 5, 6, 3)), r"got \(2, 5, 6, 3\)"),
    ],
)
def test_what_is_no_image_gets_one_plain_sentence(plane: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        to_rgb(plane)
    assert "\n" not in str(caught.value)


def test_given_limits_are_used() -> None:
    assert gray([[-5, 0, 50, 100, 400]], limits=(0, 100)).tolist() == [[0, 0, 128, 255, 255]]
    rgb = np.full((2, 2, 3), 50.0)
    assert to_rgb(rgb, limits=((0, 100), (50, 60), (0, 50)))[0, 0].tolist() == [128, 0, 255]
    assert gray([[0, 1.5e308]], limits=(-1.7e308, 1.7e308)).tolist() == [[128, 240]]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ((1, 1), "low < high"),
        ((2, 1), "low < high"),
        ((0, np.nan), "finite"),
        ((0, np.inf), "finite"),
        ((0, 1, 2), r"\(low, high\) or one such pair for each of the 1 channels"),
        (((0, 1), (0, 1)), "each of the 1 channels"),
        (5, "each of the 1 channels"),
        (("dark", 1), "limits must be numbers, got"),
        (((0, 1), (2,)), "limits must be numbers, got"),
    ],
)
def test_wrong_limits_are_told(limits: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        to_rgb(RAMP, limits)


def test_one_pair_of_limits_serves_all_channels() -> None:
    assert check_limits((0, 1), 3) == ((0.0, 1.0),) * 3


def test_the_callers_array_is_left_alone() -> None:
    plane = RAMP.copy()
    plane[0, 0] = np.nan
    before = plane.copy()
    plane.flags.writeable = False
    to_rgb(plane)
    to_rgb(plane[::-1, ::2])
    assert np.array_equal(plane, before, equal_nan=True)


def test_memory_order_does_not_matter() -> None:
    big = np.repeat(np.repeat(RAMP, 2, axis=0), 3, axis=1)
    assert np.array_equal(gray(big[::2, ::3]), gray(RAMP))
    assert np.array_equal(gray(np.asfortranarray(RAMP)), gray(RAMP))
    assert np.array_equal(gray(RAMP.T), gray(RAMP).T)


@pytest.mark.parametrize("size", [1, 2, 3, 17, 1000, 30011])
@pytest.mark.parametrize("percentiles", [(1.0, 99.8), (0.0, 100.0), (12.3, 61.7)])
@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", ">u2", "u4", "i8", "u8", "f2", "f4", ">f4", "f8"]
)
def test_limits_are_numpys_percentiles_to_the_last_bit(
    dtype: str, percentiles: tuple[float, float], size: int
) -> None:
    kind, random = np.dtype(dtype).newbyteorder("="), np.random.default_rng(size)
    if kind.kind == "f":
        values = random.normal(0, 300, size).astype(dtype)
    else:
        info = np.iinfo(kind)
        values = random.integers(info.min, info.max, size, kind, endpoint=True).astype(dtype)
    halves = np.percentile(values.astype(np.float64) / 2, percentiles)
    wanted = float(halves[0]) * 2, float(halves[1]) * 2
    if wanted[0] == wanted[1]:
        wanted = float(values.min()), float(values.max())
    assert find_limits(values, percentiles) == wanted


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_a_large_plane_costs_at_most_its_own_bytes_once_more(dtype: str) -> None:
    plane = (np.arange(2500**2).reshape(2500, 2500) % 251).astype(dtype)
    # Blocks that are widened, and the counts of all values of 16 bits.
    room = 40 * PIXELS_AT_ONCE + 2**21
    tracemalloc.start()
    try:
        rgb = to_rgb(plane)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rgb.shape == (2500, 2500, 3)
    assert peak <= 1.3 * plane.nbytes + room
    assert np.shares_memory(rgb[..., 0], rgb[..., 2]), "one gray in memory, not three"


@pytest.mark.parametrize("pixels", [1, 7, 64])
def test_blocks_of_rows_make_no_difference(monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    plane = RAMP.copy()
    plane[3, 4] = np.nan
    colours = np.stack([plane, plane * 2, plane - 7], axis=-1)
    whole = to_rgb(plane), to_rgb(colours), to_rgb((RAMP % 250).astype(np.uint8))
    monkeypatch.setattr("napari_segany.core.intensity.PIXELS_AT_ONCE", pixels)
    parts = to_rgb(plane), to_rgb(colours), to_rgb((RAMP % 250).astype(np.uint8))
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)
