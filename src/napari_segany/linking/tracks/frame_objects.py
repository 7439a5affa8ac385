"""Objects of a label frame: places, sizes, brightness; pixels that those of two frames share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.label_images import as_ids
from napari_segany.errors import InputError

FeaturesAt = Callable[[NDArray[np.float64]], NDArray[np.float32]]
"""Callable that returns the (P, C) features of a frame at (P, 2) row, column."""

LOOKUP_TABLE = 2**22
"""Largest label for which a table of all labels is made."""

COUNTED_AT_ONCE = 2**22
"""Pairs of objects of two frames that are counted by a table of all pairs."""

SAMPLES = 20_000
"""Pixels of a frame at which features of the model are looked up, at most."""


@dataclass(frozen=True, eq=False)
class FrameObjects:
    """Objects of one frame, in ascending order of their labels.

    Attributes
    ----------
    label : ndarray
        (n,) int64, 1 or more.
    position : ndarray
        (n, D) float64; centroid in pixels.
    area : ndarray
        (n,) int64; pixels.
    intensity : ndarray
        (n, C) float64; mean in each channel, NaN where no pixel is finite. No columns without an
        image.
    features : ndarray
        (n, F) float64; mean features of the model. No columns without.
    """

    label: NDArray[np.int64]
    position: NDArray[np.float64]
    area: NDArray[np.int64]
    intensity: NDArray[np.float64]
    features: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.label)


def number_objects(
    labels: NDArray[np.generic],
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the labels of the objects of a frame, and the frame with objects numbered from 1.

    Parameters
    ----------
    labels : ndarray
        Of any shape; whole numbers, of which those above 0 are objects.

    Returns
    -------
    values, numbered : ndarray
        (n,) int64 in ascending order; int32 of the shape of ``labels``, 0 to n.

    Raises
    ------
    InputError
        If the labels are no whole numbers.

    Examples
    --------
    >>> values, numbered = number_objects(np.array([[0, 900, 7]]))
    >>> values.tolist(), numbered.tolist()
    ([7, 900], [[0, 2, 1]])
    """
    ids = as_ids(labels)
    largest = int(ids.max(initial=0))
    if largest <= LOOKUP_TABLE:
        there = np.zeros(largest + 1, bool)
        there[ids.ravel()] = True
        there[0] = False
        values = np.flatnonzero(there).astype(np.int64)
        table = np.zeros(largest + 1, np.int32)
        table[values] = np.arange(1, len(values) + 1, dtype=np.int32)
        return values, table[ids]
    inside = ids > 0
    found, numbers = np.unique(ids[inside], return_inverse=True)
    numbered = np.zeros(ids.shape, np.int32)
    numbered[inside] = numbers + 1
    return found.astype(np.int64), numbered


def measure_frame(
    values: NDArray[np.int64],
    numbered: NDArray[np.int32],
    image: NDArray[np.generic] | None = None,
    features_at: FeaturesAt | None = None,
) -> FrameObjects:
    """Return the objects of a frame that :func:`number_objects` numbered.

    Parameters
    ----------
    values, numbered : ndarray
        Labels, and the frame: (Y, X) or (Z, Y, X).
    image : ndarray, optional
        Of the shape of the frame, or with channels as a last axis.
    features_at : callable, optional
        Features of the model, for a frame that is a plane.

    Raises
    ------
    InputError
        If the image has another shape.
    """
    count = len(values)
    flat = np.flatnonzero(numbered)
    owner = numbered.ravel()[flat] - 1
    area = np.bincount(owner, minlength=count)
    places = np.unravel_index(flat, numbered.shape)
    sums = [np.bincount(owner, place, count) for place in places]
    position = np.stack(sums, axis=1) / area[:, None]
    intensity = np.zeros((count, 0))
    if image is not None:
        if image.shape not in (numbered.shape, (*numbered.shape, *image.shape[-1:])):
            raise InputError(f"The image has frames of {image.shape}, labels of {numbered.shape}.")
        pixels = image.reshape(numbered.size, -1)[flat].astype(np.float64)
        means = [_mean_of(owner, channel, count) for channel in pixels.T]
        intensity = np.stack(means, axis=1)
    features = np.zeros((count, 0))
    if features_at is not None and count:
        features = _mean_features(owner, np.stack(places, axis=1), count, features_at)
    return FrameObjects(values, position, area.astype(np.int64), intensity, features)


def _mean_of(
    owner: NDArray[np.int32], values: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Return the mean of the finite values of each object; NaN without any."""
    finite = np.isfinite(values)
    pixels = np.bincount(owner[finite], minlength=count)
    sums = np.bincount(owner[finite], values[finite], count)
    return np.where(pixels > 0, sums / np.maximum(pixels, 1), np.nan)


def _mean_features(
    owner: NDArray[np.int32],
    places: NDArray[np.intp],
    count: int,
    features_at: FeaturesAt,
) -> NDArray[np.float64]:
    """Return the (n, F) mean of the features at pixels of each object."""
    # Evenly spaced among the pixels of each object, so that small ones are seen, too.
    order = np.argsort(owner, kind="stable")
    step = -(-len(owner) // SAMPLES)
    first = np.flatnonzero(np.diff(owner[order], prepend=-1))
    chosen = order[np.union1d(np.arange(0, len(order), step), first)]
    found = features_at(places[chosen].astype(np.float64)).astype(np.float64)
    sampled = owner[chosen]
    sums = np.zeros((count, found.shape[1]))
    np.add.at(sums, sampled, found)
    mean: NDArray[np.float64] = sums / np.bincount(sampled, minlength=count)[:, None]
    return mean


@dataclass(frozen=True, eq=False)
class SharedPixels:
    """Pairs of objects of two frames that share pixels.

    Attributes
    ----------
    pairs : ndarray
        (K, 2) intp; index in the one frame and in the other, in ascending order.
    count : ndarray
        (K,) int64; pixels that both cover.
    """

    pairs: NDArray[np.intp]
    count: NDArray[np.int64]


def shared_pixels(
    one: NDArray[np.int32], two: NDArray[np.int32], shift: tuple[int, ...]
) -> SharedPixels:
    """Return the pixels that objects of two numbered frames share.

    Parameters
    ----------
    one, two : ndarray
        Frames of one shape, as :func:`number_objects` returns them.
    shift : tuple of int
        Pixels along each axis by which ``one`` is moved first.
    """
    steps = list(zip(shift, one.shape, strict=True))
    ahead = tuple(slice(max(0, s), max(0, n + min(0, s))) for s, n in steps)
    behind = tuple(slice(max(0, -s), max(0, n - max(0, s))) for s, n in steps)
    first, second = one[behind].ravel(), two[ahead].ravel()
    both = np.flatnonzero((first > 0) & (second > 0))
    width = int(two.max(initial=0))
    codes = (first[both] - 1).astype(np.int64) * width + (second[both] - 1)
    if int(one.max(initial=0)) * width <= COUNTED_AT_ONCE:
        counts = np.bincount(codes)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, counts = np.unique(codes, return_counts=True)
    pairs = np.stack(np.divmod(found, max(1, width)), axis=1).astype(np.intp)
    return SharedPixels(pairs, counts.astype(np.int64))
