"""Maps of a row of planes, averaged over neighbouring planes."""

import math
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.generators.volumes.plane_maps import NAMES, PlaneMaps, as_maps
from napari_segany.models.finder import ObjectMaps

LoadMaps = Callable[[int], PlaneMaps | None]
"""Callable that returns the maps of a plane by its number, None for one that has none."""

REACH = 2.0
"""Standard deviations over which planes are averaged."""


class SmoothedMaps:
    """The maps of a row of planes, each averaged with its neighbours by a Gaussian.

    Noise of single planes goes away, and a plane that has no maps gets those of the planes around
    it. A few planes are in memory.

    Parameters
    ----------
    load : callable
        Returns the maps of plane ``n``, 0 to ``count - 1``, None for a plane without any.
    count : int
        Number of planes.
    sigma : float
        Standard deviation in planes; 0 leaves every plane as it is.
    """

    def __init__(self, load: LoadMaps, count: int, sigma: float) -> None:
        self.count = count
        self._load = load
        self._sigma = sigma
        self._reach = math.ceil(REACH * sigma)
        self._kept: OrderedDict[int, PlaneMaps | None] = OrderedDict()

    def first(self) -> PlaneMaps | None:
        """Return the first plane that has maps; None without any."""
        for number in range(self.count):
            plane = self._plane(number)
            if plane is not None:
                return plane
        return None

    def average(self, number: int) -> ObjectMaps | None:
        """Return the maps of a plane; None if neither it nor any within reach has maps.

        Raises
        ------
        InputError
            If the grids of the planes differ.
        """
        total: NDArray[np.float32] | None = None
        weights = 0.0
        numbers = range(max(number - self._reach, 0), min(number + self._reach + 1, self.count))
        for near in numbers:
            plane = self._plane(near)
            if plane is None:
                continue
            weight = self._weight(near - number)
            weights += weight
            maps = plane.unpack()
            part = np.stack([getattr(maps, name) for name in NAMES]) * np.float32(weight)
            if total is not None and total.shape != part.shape:
                raise InputError("Planes of one size are linked, and the maps differ in size.")
            total = part if total is None else total + part
        if total is None:
            return None
        total /= np.float32(weights)
        return as_maps(total)

    def _weight(self, away: int) -> float:
        return math.exp(-0.5 * (away / self._sigma) ** 2) if self._sigma else 1.0

    def _plane(self, number: int) -> PlaneMaps | None:
        if number not in self._kept:
            self._kept[number] = self._load(number)
            while len(self._kept) > 2 * self._reach + 2:
                self._kept.popitem(last=False)
        return self._kept[number]
