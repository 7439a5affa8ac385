"""Measurements of the objects of a stack, gathered plane by plane."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.measure import Columns
from napari_segany.core.units import convert, larger


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

    def add(self, number: int, labels: NDArray[np.integer], image: NDArray[np.generic]) -> None:
        """Add a plane.

        Parameters
        ----------
        number : int
            Its place along the axis of the planes.
        labels : ndarray
            (H, W).
        image : ndarray
            (H, W) or (H, W, C); pixels that are not finite are left out.
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
            The axis of the planes.
        """
        pixels = self._pixels[1:]
        centre = self._sums[:, 1:] / np.maximum(pixels, 1)
        columns: Columns = {"planes": self._planes[1:], "volume": pixels}
        sides = [pixel_size[name] for name in (axis, "Y", "X") if name in pixel_size]
        if len(sides) == 3:
            unit = larger(larger(sides[0][1], sides[1][1]), sides[2][1])
            lengths = [convert(size, own, unit) for size, own in sides]
            if None not in lengths:
                columns[f"volume_{unit}3"] = pixels * float(np.prod(np.array(lengths, float)))
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
