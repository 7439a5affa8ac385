"""Measurements of the objects of a stack, gathered plane by plane."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.measure import Columns
from napari_segany.core.units import convert, larger

NumberedPlane = tuple[int, NDArray[np.integer], NDArray[np.generic] | None]
"""A plane's place along the axis of the planes, its (H, W) labels, and its image or None."""


def measure_objects(
    ids: ArrayLike,
    planes: Iterable[NumberedPlane],
    pixel_size: Mapping[str, tuple[float, str]],
    axis: str,
    channels: Sequence[int] = (0,),
) -> Columns:
    """Measure objects that go through planes; no two planes are in memory at once.

    Parameters
    ----------
    ids : array_like of int
        Ids of the objects, ascending and above 0. Pixels with other ids are no objects.
    planes : iterable
        Each plane with its place, its labels and its image, see :data:`NumberedPlane`.
    pixel_size, axis, channels
        As for :class:`ObjectMeasurer`.

    Returns
    -------
    dict of str to ndarray
        One entry an object in each column: ``label``, then as in :meth:`ObjectMeasurer.columns`.

    Examples
    --------
    >>> labels = np.zeros((3, 4, 5), int)
    >>> labels[1:, :2, :2] = 7
    >>> found = measure_objects([7], ((n, each, None) for n, each in enumerate(labels)), {}, "Z")
    >>> {name: found[name].tolist() for name in ("label", "planes", "volume", "centroid_plane")}
    {'label': [7], 'planes': [2], 'volume': [8], 'centroid_plane': [1.5]}
    """
    known = np.asarray(ids, np.int64)
    measurer = ObjectMeasurer(len(known), channels)
    for number, labels, image in planes:
        there = (labels > 0) & np.isin(labels, known)
        numbers = np.where(there, np.searchsorted(known, labels) + 1, 0)
        measurer.add(number, numbers, image)
    return {"label": known, **measurer.columns(pixel_size, axis)}


class ObjectMeasurer:
    """Sums over the pixels of each object, so that no two planes are needed at once.

    Parameters
    ----------
    count : int
        Number of objects, whose ids are 1 to ``count``.
    channels : sequence of int
        Numbers that name the intensity columns of planes with several channels.
    """

    def __init__(self, count: int, channels: Sequence[int] = (0,)) -> None:
        self._count, self._channels = count, tuple(channels)
        self._pixels = np.zeros(count + 1, np.int64)
        self._planes = np.zeros(count + 1, np.int64)
        self._sums = np.zeros((3, count + 1))
        self._low = np.full((2, count + 1), np.iinfo(np.int64).max)
        self._high = np.full((2, count + 1), -1)
        self._intensities: list[_Intensities] = []

    def add(
        self, number: int, labels: NDArray[np.integer], image: NDArray[np.generic] | None
    ) -> None:
        """Add a plane.

        Parameters
        ----------
        number : int
            Its place along the axis of the planes.
        labels : ndarray
            (H, W).
        image : ndarray
            (H, W) or (H, W, C); pixels that are not finite are left out. Without it no intensity is
            measured.
        """
        place = np.nonzero(labels)
        found = labels[place]
        pixels = np.bincount(found, minlength=self._count + 1)
        self._pixels += pixels
        self._planes += pixels > 0
        self._sums[0] += pixels * float(number)
        for k, values in enumerate(place):
            self._sums[1 + k] += np.bincount(found, values, self._count + 1)
            np.minimum.at(self._low[k], found, values)
            np.maximum.at(self._high[k], found, values)
        if image is None:
            return
        channels = image[..., None] if image.ndim == 2 else image
        numbers = self._channels if len(self._channels) > 1 else range(channels.shape[-1])
        if not self._intensities:
            suffixes = [""] if image.ndim == 2 else [f"_{n}" for n in numbers]
            self._intensities = [_Intensities(self._count, suffix) for suffix in suffixes]
        for k, each in enumerate(self._intensities):
            each.add(found, channels[..., k][place])

    def columns(self, pixel_size: Mapping[str, tuple[float, str]], axis: str) -> Columns:
        """Return one entry an object in each column, in the order of ids.

        Parameters
        ----------
        pixel_size : mapping
            Size and unit of a step along axes; with that of ``axis``, Y and X there is a volume in
            the largest of their units, cubed.
        axis : str
            The axis of the planes. Along "T" there is no volume, but the mean area of the planes
            in which an object lies, with units if those of Y and X are known.
        """
        pixels, planes = self._pixels[1:], self._planes[1:]
        centre = self._sums[:, 1:] / np.maximum(pixels, 1)
        columns: Columns = {"planes": planes}
        if axis == "T":
            columns |= _with_units("mean_area", pixels / np.maximum(planes, 1), pixel_size, "YX")
        else:
            columns |= _with_units("volume", pixels, pixel_size, (axis, "Y", "X"))
        columns |= {
            f"centroid_{name}": np.where(pixels > 0, values, np.nan)
            for name, values in zip(("plane", "row", "col"), centre, strict=True)
        }
        for k, name in enumerate(("row", "col")):
            columns[f"{name}_min"] = np.where(pixels > 0, self._low[k, 1:], 0)
        for k, name in enumerate(("row", "col")):
            columns[f"{name}_max"] = self._high[k, 1:] + 1
        for each in self._intensities:
            columns |= each.columns()
        return columns


def _with_units(
    name: str,
    pixels: NDArray[np.generic],
    pixel_size: Mapping[str, tuple[float, str]],
    axes: Sequence[str],
) -> Columns:
    """Return numbers of pixels, and the same in the largest unit of some axes if all are known."""
    columns: Columns = {name: pixels}
    sides = [pixel_size[axis] for axis in axes if axis in pixel_size]
    if len(sides) == len(axes):
        unit = reduce(larger, (own for _, own in sides))
        lengths = [convert(size, own, unit) for size, own in sides]
        if None not in lengths:
            side = float(np.prod(np.array(lengths, float)))
            columns[f"{name}_{unit}{len(axes)}"] = pixels.astype(np.float64) * side
    return columns


class _Intensities:
    """Mean, least and greatest intensity of each object in one channel."""

    def __init__(self, count: int, suffix: str) -> None:
        self._suffix = suffix
        self._pixels, self._sums = np.zeros(count + 1, np.int64), np.zeros(count + 1)
        self._low, self._high = np.full(count + 1, np.inf), np.full(count + 1, -np.inf)

    def add(self, labels: NDArray[np.integer], values: NDArray[np.generic]) -> None:
        """Add pixels with their labels."""
        numbers = values.astype(np.float64)
        finite = np.isfinite(numbers)
        labels, numbers = labels[finite], numbers[finite]
        self._pixels += np.bincount(labels, minlength=len(self._pixels))
        self._sums += np.bincount(labels, numbers, len(self._pixels))
        np.minimum.at(self._low, labels, numbers)
        np.maximum.at(self._high, labels, numbers)

    def columns(self) -> Columns:
        """Return the columns; NaN for objects without a finite pixel."""
        known = self._pixels[1:] > 0
        mean = self._sums[1:] / np.maximum(self._pixels[1:], 1)
        found = {"mean": mean, "min": self._low[1:], "max": self._high[1:]}
        return {
            f"intensity_{name}{self._suffix}": np.where(known, values, np.nan)
            for name, values in found.items()
        }
