"""Nested regions of a volume, as propagation uses them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.linking.propagation.params import PropagationParams


class RegionSource(Protocol):
    """Nested regions of a volume, numbered from 0."""

    @property
    def scores(self) -> NDArray[np.float64]:
        """(N,) expected IoU of each region, 0..1."""

    def select(
        self,
        prompted: Sequence[Mapping[int, MaskSet | None]],
        followed: Sequence[Mapping[int, MaskSet | None]],
        should_stop: ShouldStop | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the region for each of K objects, -1 without any, and its fit, 0..1.

        Objects are known by their masks on prompted planes, and by what was found on others.
        """

    def sections(
        self, wanted: Sequence[tuple[int, range]], should_stop: ShouldStop | None = None
    ) -> list[dict[int, MaskSet]]:
        """Return the masks of K regions by plane."""


FindRegions = Callable[[PropagationParams, Progress | None, ShouldStop | None], RegionSource]
"""Look at all planes and return the regions of the volume."""
