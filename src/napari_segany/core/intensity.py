"""From the intensities of any plane to the 8-bit RGB that the models were trained on."""

import logging

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.errors import InputError

logger = logging.getLogger(__name__)

PERCENTILES = (1.0, 99.8)
"""Percentiles of a plane that become 0 and 255."""

Limits = tuple[float, float] | tuple[tuple[float, float], ...]
"""Intensities that become 0 and 255: one pair, or one pair a channel."""


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


def find_limits(
    channel: NDArray[np.generic], percentiles: tuple[float, float] = PERCENTILES
) -> tuple[float, float]:
    """The 1 and 99.8 percentiles of the finite pixels of one channel, or of a sample of them.

    A constant channel gives equal limits. Structures that fill less than the percentiles leave
    (a dark plane with few bright pixels) fall back on minimum and maximum.

    Raises
    ------
    InputError
        If no pixel is finite.
    """
    if channel.dtype.kind == "f":
        channel = channel[np.isfinite(channel)]
        if channel.size == 0:
            raise InputError("No pixel is a finite number, so there is no image.")
    if channel.dtype == bool:
        return 0.0, 1.0
    # Halves, because the difference of two neighbours overflows near the largest float.
    halves = np.percentile(channel.astype(np.float64) / 2, percentiles)
    low, high = (float(v) * 2 for v in halves)
    if low == high:
        low, high = float(channel.min()), float(channel.max())
    return low, high


def check_limits(limits: Limits, channels: int) -> tuple[tuple[float, float], ...]:
    """One (low, high) pair a channel, from one pair or from ``channels`` pairs."""
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


def _stretch(channel: NDArray[np.generic], limits: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = limits
    # Halves, because high - low overflows for limits near the largest float.
    half = high / 2 - low / 2
    if half <= 0:
        return np.zeros(channel.shape, np.uint8)
    # float64 holds every integer type up to 53 bits; the result is 8-bit anyway.
    values = channel.astype(np.float64)
    if channel.dtype.kind == "f":
        values[~np.isfinite(values)] = low
    unit = (np.clip(values, low, high) / 2 - low / 2) / half
    return np.rint(unit * 255).astype(np.uint8)


def to_rgb(plane: ArrayLike, limits: Limits | None = None) -> NDArray[np.uint8]:
    """Convert one plane to (Y, X, 3) uint8.

    Parameters
    ----------
    plane : array_like
        (Y, X) or (Y, X, 3) of any boolean, integer or real floating type; left unchanged. NaN
        and infinities are kept out of the limits and shown as the lower one, with one warning.
    limits : tuple, optional
        Intensities that become 0 and 255, one pair or one pair a channel. By default uint8 RGB
        passes unchanged and everything else is stretched, channel by channel, from its
        1 and 99.8 percentiles.

    Returns
    -------
    ndarray
        (Y, X, 3) uint8; a gray plane is repeated three times.

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
        bad = array.size - int(np.isfinite(array).sum())
        if bad == array.size:
            raise InputError("No pixel is a finite number, so there is no image.")
        if bad:
            logger.warning("%d pixels are not finite; they are treated as the darkest value.", bad)
    channels = [array[..., i] for i in range(3)] if rgb else [array]
    if limits is None:
        pairs = tuple(find_limits(channel) for channel in channels)
    else:
        pairs = check_limits(limits, len(channels))
    done = [_stretch(channel, pair) for channel, pair in zip(channels, pairs, strict=True)]
    return np.stack(done if rgb else done * 3, axis=-1)
