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

CELLS_KEPT = 2**25
"""Cells from the first plane on whose basins are kept, four bytes each."""

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
        (h, w) int32 number of the basin of each cell, from 1 over the whole volume; 0 outside.
    """

    number: int
    maps: ObjectMaps
    labels: NDArray[np.int32]


class VolumeBasins:
    """The basins that a volume is cut into.

    Slabs of planes are cut one after the other. Each sees some planes of the one before, by which a
    basin has the same number in both. Basins of the first slabs are kept, those of the others are
    found again whenever they are needed.

    Parameters
    ----------
    maps : SmoothedMaps
        The planes.
    lowest : float
        Foreground probability of cells that can belong to a basin at all.
    """

    def __init__(self, maps: SmoothedMaps, lowest: float = LOW_FOREGROUND) -> None:
        self._maps, self._lowest = maps, lowest
        self._kept: dict[int, NDArray[np.int32]] = {}

    def planes(self, should_stop: ShouldStop | None = None) -> Iterator[BasinPlane]:
        """Yield the planes that have maps, in order.

        Parameters
        ----------
        should_stop : callable, optional
            Polled from plane to plane.

        Raises
        ------
        Cancelled
            If ``should_stop`` returned True.
        """
        known = self._maps.first()
        if known is None:
            return
        shape = (known.values.shape[1], known.values.shape[2])
        thick = max(CELLS_AT_ONCE // (shape[0] * shape[1]), FEWEST_PLANES)
        count, before = 0, np.zeros(shape, np.int32)
        for start in range(0, self._maps.count, thick):
            end = min(start + thick, self._maps.count)
            labels = self._kept.get(start)
            if labels is None:
                labels = self._cut(start, end, before, count, should_stop)
                if end * shape[0] * shape[1] <= CELLS_KEPT:
                    self._kept[start] = labels
            count, before = max(count, int(labels.max())), labels[-1]
            for number, plane in zip(range(start, end), labels, strict=True):
                check(should_stop)
                maps = self._maps.average(number)
                if maps is not None:
                    yield BasinPlane(number, maps, plane)

    def _cut(
        self,
        start: int,
        end: int,
        before: NDArray[np.int32],
        count: int,
        should_stop: ShouldStop | None,
    ) -> NDArray[np.int32]:
        """Return the basins of a slab; ``before`` is the last plane of the slab before it."""
        first = max(start - AROUND, 0)
        heights = []
        for number in range(first, min(end + AROUND, self._maps.count)):
            check(should_stop)
            heights.append(self._height(number, before.shape))
        labels = _watershed(np.stack(heights))
        of_basin = np.zeros(int(labels.max()) + 1, np.int32)
        if start:
            _continue(of_basin, labels[start - 1 - first], before)
        labels = labels[start - first : end - first]
        # Basins that lie in the planes around alone have no number.
        new = np.unique(labels)
        new = new[(new > 0) & (of_basin[new] == 0)]
        of_basin[new] = count + 1 + np.arange(len(new))
        return of_basin[labels]

    def _height(self, number: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the landscape of a plane, 0 where nothing can be."""
        maps = self._maps.average(number)
        if maps is None:
            return np.zeros(shape, np.float32)
        return np.where(maps.foreground > self._lowest, landscape(maps), 0).astype(np.float32)


def _continue(
    of_basin: NDArray[np.int32], own: NDArray[np.int32], before: NDArray[np.int32]
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


def _watershed(height: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the (planes, h, w) basins of some planes, numbered from 1."""
    size = (2 * PLANES_APART + 1, 2 * PEAK_DISTANCE + 1, 2 * PEAK_DISTANCE + 1)
    inside = height > 0
    peaks = (height == ndimage.maximum_filter(height, size)) & inside
    markers, _ = ndimage.label(peaks, np.ones((3, 3, 3)))
    basins: NDArray[np.int32] = watershed(-height, markers, mask=inside).astype(np.int32)
    return basins
