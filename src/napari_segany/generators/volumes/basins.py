"""Basins of a volume: a watershed of the maps of its planes, some planes at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.generators.region_tree import LOW_FOREGROUND, PEAK_DISTANCE, landscape
from napari_segany.generators.volumes.smoothed_maps import SmoothedMaps
from napari_segany.models.finder import ObjectMaps

CELLS_AT_ONCE = 2**23
"""Cells whose basins are found together, in as many planes as have so many; bounds memory."""

FEWEST_PLANES = 16
"""Planes whose basins are found together at least."""

AROUND = 6
"""Planes on each side that are looked at, too, so that basins do not depend on where it is cut."""

PLANES_APART = 1
"""Planes that the peaks of two basins are at least apart."""


@dataclass(frozen=True, eq=False)
class BasinPlane:
    """One plane of a volume, cut into basins.

    Attributes
    ----------
    number : int
        Number of the plane.
    maps : ObjectMaps
        Its smoothed maps.
    labels : ndarray
        (h, w) int64 number of the basin of each cell, from 1 over the whole volume; 0 outside.
    """

    number: int
    maps: ObjectMaps
    labels: NDArray[np.int64]


def cut_basins(maps: SmoothedMaps, should_stop: ShouldStop | None = None) -> Iterator[BasinPlane]:
    """Yield the planes of a volume that have maps, in order, with the basins they are cut into.

    Slabs of planes are cut one after the other. Each sees some planes of the one before, by which a
    basin has the same number in both.

    Parameters
    ----------
    maps : SmoothedMaps
        The planes.
    should_stop : callable, optional
        Polled from plane to plane.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True.
    """
    known = maps.first()
    if known is None:
        return
    cells = known.values.shape[1] * known.values.shape[2]
    thick = max(CELLS_AT_ONCE // cells, FEWEST_PLANES)
    count, before = 0, np.zeros(known.values.shape[1:], np.int64)
    for start in range(0, maps.count, thick):
        end = min(start + thick, maps.count)
        first = max(start - AROUND, 0)
        heights = []
        for number in range(first, min(end + AROUND, maps.count)):
            check(should_stop)
            heights.append(_height(maps.average(number), before.shape))
        labels = _watershed(np.stack(heights))
        of_basin = np.zeros(int(labels.max()) + 1, np.int64)
        if start:
            _continue(of_basin, labels[start - 1 - first], before)
        labels = labels[start - first : end - first]
        # Basins that lie in the planes around alone have no number.
        new = np.unique(labels)
        new = new[(new > 0) & (of_basin[new] == 0)]
        of_basin[new] = count + 1 + np.arange(len(new))
        count += len(new)
        for number, plane in zip(range(start, end), labels, strict=True):
            averaged = maps.average(number)
            before = of_basin[plane]
            if averaged is not None:
                yield BasinPlane(number, averaged, before)


def _continue(
    of_basin: NDArray[np.int64], own: NDArray[np.int32], before: NDArray[np.int64]
) -> None:
    """Give basins the numbers of those that they share most cells with in one plane.

    Parameters
    ----------
    of_basin : ndarray
        Number of each basin of this slab; filled in for one of this slab for each of the other.
    own, before : ndarray
        (h, w) basins of a plane as both slabs cut it.
    """
    both = (own > 0) & (before > 0)
    pairs, shared = np.unique(
        np.stack([own[both], before[both]], axis=1), axis=0, return_counts=True
    )
    taken: set[int] = set()
    for basin, number in pairs[np.argsort(-shared, kind="stable")].tolist():
        if not of_basin[basin] and number not in taken:
            of_basin[basin] = number
            taken.add(number)


def _height(maps: ObjectMaps | None, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the landscape of a plane, 0 where nothing can be."""
    if maps is None:
        return np.zeros(shape, np.float32)
    return np.where(maps.foreground > LOW_FOREGROUND, landscape(maps), 0).astype(np.float32)


def _watershed(height: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the (planes, h, w) basins of some planes, numbered from 1."""
    size = (2 * PLANES_APART + 1, 2 * PEAK_DISTANCE + 1, 2 * PEAK_DISTANCE + 1)
    inside = height > 0
    peaks = (height == ndimage.maximum_filter(height, size)) & inside
    markers, _ = ndimage.label(peaks, np.ones((3, 3, 3)))
    basins: NDArray[np.int32] = watershed(-height, markers, mask=inside).astype(np.int32)
    return basins
