"""Objects of a volume that its maps show: a table, filters, and the labels of its planes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.generators.quality import Perceptron
from napari_segany.generators.region_tree import LOW_FOREGROUND
from napari_segany.generators.volumes.basin_graph import build_graph
from napari_segany.generators.volumes.basins import BasinPlane, VolumeBasins
from napari_segany.generators.volumes.plane_pixels import enlarge_cells, within_outline
from napari_segany.generators.volumes.region_choice import basins_of, choose_regions
from napari_segany.generators.volumes.region_scores import score_regions
from napari_segany.generators.volumes.smoothed_maps import LoadMaps, SmoothedMaps


@dataclass(frozen=True, eq=False)
class RegionVolume:
    """Objects of a row of planes, each some basins of the volume.

    Labels are painted plane by plane, so that memory holds a few planes at a time.

    Attributes
    ----------
    shape : tuple of int
        (planes, H, W).
    basins : VolumeBasins
        The planes with their basins.
    outline : float
        Foreground probability at which objects end.
    step : int
        Pixels for each cell of the maps, a side.
    numbers : ndarray
        (B,) int64 id of the object of each basin, 0 for none.
    table : mapping
        One row an object, see :meth:`objects`.
    """

    shape: tuple[int, int, int]
    basins: VolumeBasins = field(repr=False)
    outline: float
    step: int
    numbers: NDArray[np.int64] = field(repr=False)
    table: Mapping[str, NDArray[Any]] = field(repr=False)

    @property
    def count(self) -> int:
        """Number of objects."""
        return len(self.table["label"])

    def objects(self) -> Mapping[str, NDArray[Any]]:
        """Return one row an object, as columns.

        Returns
        -------
        mapping
            ``label``, ``first_plane`` and ``last_plane``, ``planes`` (in which it has pixels),
            ``volume`` (pixels; about, where a cell has several), ``mean_score`` (expected IoU,
            averaged over its pixels).
        """
        return self.table

    def filter(
        self, *, min_planes: int = 1, min_volume: int = 0, min_mean_score: float = 0.0
    ) -> "RegionVolume":
        """Return the objects that pass every bound, numbered anew from 1, without the model.

        Parameters
        ----------
        min_planes : int
            Fewest planes.
        min_volume : int
            Fewest pixels.
        min_mean_score : float
            Least expected IoU.
        """
        table = self.table
        keep = (
            (table["planes"] >= min_planes)
            & (table["volume"] >= min_volume)
            & (table["mean_score"] >= min_mean_score)
        )
        new = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)])
        left = {name: column[keep] for name, column in table.items()}
        left["label"] = np.arange(1, int(keep.sum()) + 1)
        return replace(self, numbers=new[self.numbers], table=left)

    def plane_labels(self) -> Iterator[NDArray[np.int32]]:
        """Yield the (H, W) labels of each plane, in order."""
        done = 0
        # Without objects there is nothing to paint.
        for plane in self.basins.planes() if self.count else ():
            for _ in range(done, plane.number):
                yield np.zeros(self.shape[1:], np.int32)
            yield self._paint(plane)
            done = plane.number + 1
        for _ in range(done, self.shape[0]):
            yield np.zeros(self.shape[1:], np.int32)

    def labels(self) -> NDArray[np.int32]:
        """Return the (planes, H, W) labels, 0 for background, ids 1 to :attr:`count`."""
        out = np.zeros(self.shape, np.int32)
        for number, plane in enumerate(self.plane_labels()):
            out[number] = plane
        return out

    def _paint(self, plane: BasinPlane) -> NDArray[np.int32]:
        of_basin = np.concatenate([[0], self.numbers]).astype(np.int32)
        height, width = self.shape[1:]
        ways = self.step, (height, width)
        inside = within_outline(plane.maps.foreground, self.outline, *ways)
        painted: NDArray[np.int32] = enlarge_cells(of_basin[plane.labels], *ways) * inside
        return painted


def segment_maps(
    load: LoadMaps,
    shape: tuple[int, int, int],
    quality: Perceptron,
    *,
    smoothing: float,
    outline: float,
    should_stop: ShouldStop | None = None,
) -> RegionVolume:
    """Return the objects of a volume by the maps of its planes.

    Basins of a watershed in all three directions are merged, and of the nested regions those are
    chosen whose sections look most like objects.

    Parameters
    ----------
    load : callable
        Returns the :class:`.plane_maps.PlaneMaps` of plane ``n``, None for a plane without any. It
        is called several times for each plane, so that memory holds a few at a time.
    shape : tuple of int
        (planes, H, W).
    quality : Perceptron
        The finder's estimate for regions of a plane.
    smoothing : float
        Standard deviation in planes over which maps are averaged.
    outline : float
        Foreground probability at which objects end.
    should_stop : callable, optional
        Polled from plane to plane.

    Raises
    ------
    InputError
        If the planes differ in size.
    Cancelled
        If ``should_stop`` returned True.
    """
    maps = SmoothedMaps(load, shape[0], smoothing)
    first = maps.first()
    step, side = (1, 1.0) if first is None else (first.step, first.side)
    basins = VolumeBasins(maps, min(LOW_FOREGROUND, outline))
    graph = build_graph(basins.planes(should_stop), outline)
    check(should_stop)
    regions = score_regions(graph, quality, outline, side)
    chosen = choose_regions(regions)
    # Objects have numbers by their first plane.
    chosen = chosen[np.argsort(regions.first[chosen], kind="stable")]
    table = {
        "label": np.arange(1, len(chosen) + 1),
        "first_plane": regions.first[chosen],
        "last_plane": regions.last[chosen],
        "planes": regions.planes[chosen],
        "volume": (regions.volume[chosen] * step**2).astype(np.int64),
        "mean_score": regions.score[chosen],
    }
    numbers = basins_of(regions, chosen, graph.count)
    return RegionVolume(shape, basins, outline, step, numbers, table)
