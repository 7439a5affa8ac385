"""Conversion of any plane's intensities to the 8-bit RGB that the models were trained on."""

import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.display import Display, Pair
from napari_segany.errors import InputError

logger = logging.getLogger(__name__)

PERCENTILES = (1.0, 99.8)
"""Percentiles of a plane that become 0 and 255."""

PIXELS_AT_ONCE = 2**18
"""Pixels that are widened to 64 bits together: few enough for the processor's cache."""

Limits = Pair | tuple[Pair, ...] | Display
"""Intensities that become 0 and 255: one pair, or one pair a channel; or a display with them."""


def check_plane(plane: ArrayLike) -> NDArray[np.generic]:
    """Return ``plane`` as an array if it is one (Y, X) or (Y, X, 3) image of real numbers.

    Raises
    ------
    InputError
        For other shapes, zero size, or complex, object and text data.
    """
    try:
        array = np.asarray(plane)
    except ValueError as error:
        raise InputError(f"The image is no array: {error}.") from error
    if array.dtype.kind not in "buif":
        raise InputError(
            f"An image of type {array.dtype} cannot be segmented; "
            "give booleans, integers or real floating-point numbers."
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise InputError(
            f"A plane must have shape (Y, X) or (Y, X, 3), got {array.shape}; "
            "for stacks and channels use segment_everything(..., axes=...)."
        )
    if array.size == 0:
        raise InputError(f"The image has shape {array.shape}, so there are no pixels to segment.")
    return array


def _blocks(array: NDArray[np.generic]) -> Iterator[slice]:
    """Yield the rows of an array in blocks, so that intermediate values stay small."""
    step = max(1, PIXELS_AT_ONCE * len(array) // array.size)
    return (slice(start, start + step) for start in range(0, len(array), step))


def _count_finite(array: NDArray[np.generic]) -> int:
    return sum(int(np.isfinite(array[rows]).sum()) for rows in _blocks(array))


def _in_order(channel: NDArray[np.generic], ranks: list[int]) -> NDArray[np.generic]:
    """Return the order statistics at ``ranks`` of the pixels, without sorting them."""
    if channel.dtype.kind in "iu" and channel.dtype.itemsize <= 2:
        least = int(np.iinfo(channel.dtype.str).min)
        counts = np.zeros(2 ** (8 * channel.dtype.itemsize), np.int64)
        for rows in _blocks(channel):
            values = channel[rows].astype(np.intp).ravel()
            counts += np.bincount(values - least, minlength=len(counts))
        return np.searchsorted(np.cumsum(counts), ranks, side="right") + least
    # One copy, in the type of the pixels.
    flat = channel.astype(channel.dtype.newbyteorder("=")).ravel()
    flat.partition(ranks)
    return flat[ranks]


def keep_apart(low: float, high: float) -> Pair:
    """Return limits of which the upper one is above the lower: a constant channel is black."""
    return low, high if high > low else max(low + 1, float(np.nextafter(low, np.inf)))


def find_limits(
    channel: NDArray[np.generic], percentiles: tuple[float, float] = PERCENTILES
) -> Pair:
    """Return the 1 and 99.8 percentiles of the finite pixels of a channel, or of a sample.

    A constant channel gives equal limits. Structures that fill less than the percentiles leave
    (a dark plane with few bright pixels) fall back on minimum and maximum.

    Raises
    ------
    InputError
        If no pixel is finite.
    """
    if channel.dtype == bool:
        return 0.0, 1.0
    if channel.dtype.kind == "f" and _count_finite(channel) < channel.size:
        channel = channel[np.isfinite(channel)]
        if channel.size == 0:
            raise InputError("No pixel is a finite number, so there is no image.")
    last = channel.size - 1
    places = [last * (percentile / 100) for percentile in percentiles]
    below = [int(place) for place in places]
    ranks = [rank for i in below for rank in (i, min(i + 1, last))]
    # Percentiles lie between pixels in order of size, so only those few become float64; the order
    # is the same in both types. Halves, because the difference of two neighbours overflows near
    # the largest float.
    halves = _in_order(channel, [0, *ranks, last]).astype(np.float64) / 2
    low, high = (
        float(np.quantile(halves[1 + 2 * i : 3 + 2 * i], places[i] - below[i])) * 2
        for i in range(2)
    )
    if low == high:
        low, high = float(channel.min()), float(channel.max())
    return low, high


def check_limits(limits: Pair | tuple[Pair, ...], channels: int) -> tuple[Pair, ...]:
    """Return one (low, high) pair a channel, from one pair or from ``channels`` pairs."""
    try:
        pairs = np.asarray(limits, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"limits must be numbers, got {limits!r}.") from error
    if pairs.shape == (2,):
        pairs = np.tile(pairs, (channels, 1))
    if pairs.shape != (channels, 2):
        raise InputError(
            f"limits must be (low, high) or one such pair for each of the {channels} channels, "
            f"got {limits!r}."
        )
    if not np.isfinite(pairs).all() or (pairs[:, 0] >= pairs[:, 1]).any():
        raise InputError(f"limits must be finite with low < high, got {limits!r}.")
    return tuple((float(low), float(high)) for low, high in pairs)


def _stretch(
    channel: NDArray[np.generic],
    limits: Pair,
    gamma: float,
    out: NDArray[np.uint8],
) -> None:
    """Write a channel into ``out``, of the same shape, with the limits at 0 and 255."""
    low, high = limits
    # Halves, because high - low overflows for limits near the largest float.
    half = high / 2 - low / 2
    if half <= 0:
        out[:] = 0
        return
    for rows in _blocks(channel):
        # float64 holds every integer type up to 53 bits; the result is 8-bit anyway.
        values = channel[rows].astype(np.float64)
        if channel.dtype.kind == "f":
            values[~np.isfinite(values)] = low
        np.clip(values, low, high, out=values)
        values /= 2
        values -= low / 2
        values /= half
        if gamma != 1:
            np.power(values, gamma, out=values)
        values *= 255
        out[rows] = np.rint(values, out=values)


def _mix(tones: NDArray[np.uint8], colours: tuple[tuple[int, int, int], ...]) -> None:
    """Replace (Y, X, 3) channels by the sum of their colours, in whole numbers, clipped."""
    for rows in _blocks(tones):
        each = tones[rows].astype(np.uint32)
        for colour in range(3):
            mixed = sum(each[..., i] * part[colour] for i, part in enumerate(colours))
            tones[rows][..., colour] = np.minimum((mixed + np.uint32(127)) // 255, 255)


def to_rgb(plane: ArrayLike, limits: Limits | None = None) -> NDArray[np.uint8]:
    """Convert one plane to (Y, X, 3) uint8.

    Parameters
    ----------
    plane : array_like
        (Y, X) or (Y, X, 3) of any boolean, integer or real floating type; left unchanged. NaN
        and infinities are kept out of the limits and shown as the lower one, with one warning.
    limits : tuple or Display, optional
        Intensities that become 0 and 255, one pair or one pair a channel; or a display, with gamma
        and colours. By default uint8 RGB passes unchanged and everything else is stretched,
        channel by channel, from its 1 and 99.8 percentiles.

    Returns
    -------
    ndarray
        (Y, X, 3) uint8, not to be written to: colours that need no change are the caller's own, and
        the three of a gray plane are one in memory.

    Raises
    ------
    InputError
        For planes that hold no image and for limits out of order.
    """
    array = check_plane(plane)
    rgb = array.ndim == 3
    if rgb and array.dtype == np.uint8 and limits is None:
        return array.view(np.uint8)
    if array.dtype.kind == "f":
        bad = array.size - _count_finite(array)
        if bad == array.size:
            raise InputError("No pixel is a finite number, so there is no image.")
        if bad:
            logger.warning("%d pixels are not finite; they are treated as the darkest value.", bad)
    channels = [array[..., i] for i in range(3)] if rgb else [array]
    display = limits if isinstance(limits, Display) else Display()
    pairs = _find_pairs(channels, limits)
    gamma, colours = display.gamma_of(len(channels)), display.colours_of(len(channels))
    out = np.empty(array.shape if rgb else (*array.shape, 1), np.uint8)
    for i, (channel, pair) in enumerate(zip(channels, pairs, strict=True)):
        _stretch(channel, pair, gamma[i], out[..., i])
    if colours:
        _mix(out, colours)
    return np.broadcast_to(out, (*array.shape[:2], 3))


def _find_pairs(channels: list[NDArray[np.generic]], limits: Limits | None) -> tuple[Pair, ...]:
    """Return the intensities of each channel that become 0 and 255."""
    count = len(channels)
    if isinstance(limits, Display):
        if limits.limits == "stack":
            raise InputError("The limits of a stack are not known in one plane; give numbers.")
        if limits.pairs is not None:
            return check_limits(limits.pairs, count)
        if count == 3 and channels[0].dtype == np.uint8:
            # 8-bit colours are not stretched.
            return check_limits((0, 255), count)
    elif limits is not None:
        return check_limits(limits, count)
    return tuple(find_limits(channel) for channel in channels)
