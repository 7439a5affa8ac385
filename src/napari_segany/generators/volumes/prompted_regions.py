"""Regions of a volume that prompted masks select, among all that its maps are cut into.

A region fits prompted masks by the IoU on their planes together. That alone cannot tell an object
from a part of it, or from what holds it and more: sections of all three can be the same on the
prompted planes. So the expected IoU of the region counts, too, and a region that covers the
prompted masks of other objects probably is several.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.generators.quality import Perceptron
from napari_segany.generators.volumes.basin_graph import build_graph
from napari_segany.generators.volumes.basins import BasinPlane, VolumeBasins
from napari_segany.generators.volumes.plane_pixels import enlarge_cells, within_outline
from napari_segany.generators.volumes.region_scores import ScoredRegions, score_regions
from napari_segany.generators.volumes.smoothed_maps import LoadMaps, SmoothedMaps

OTHERS = 0.5
"""Part of the prompted masks of another object above which a region probably holds both."""

PENALTY = 0.3
"""Factor of the worth of such a region."""

LEAST_SCORE = 0.05
"""Expected IoU of regions that are expected to be nothing at all."""

PromptedMasks = Mapping[int, MaskSet | None]
"""One mask of an object on each of its prompted planes, None where it is said not to be."""

Places = NDArray[np.int32]
"""(H, W) place of the basin of each pixel in the order of :class:`NestedRegions`, -1 for none."""


@dataclass(frozen=True, eq=False)
class NestedRegions:
    """The regions of a volume, in an order of basins in which those of each follow one another.

    Attributes
    ----------
    regions : ScoredRegions
        N regions, of which the first B are basins.
    place : ndarray
        (B + 1,) int32 place of each basin, from 0; -1 for number 0, which is none.
    start, end : ndarray
        (N,) int64 places of each region: from one up to, and without, the other.
    """

    regions: ScoredRegions
    place: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @classmethod
    def of(cls, regions: ScoredRegions, basins: int) -> "NestedRegions":
        """Find the order of B basins, see :func:`.region_scores.score_regions`."""
        joined = regions.children[basins:].tolist()
        size = np.ones(len(regions.children), np.int64).tolist()
        outermost = np.ones(len(size), bool)
        for node, (a, b) in enumerate(joined, basins):
            size[node] = size[a] + size[b]
            outermost[[a, b]] = False
        start, free = [0] * len(size), 0
        for node in np.flatnonzero(outermost).tolist():
            start[node], free = free, free + size[node]
        # Nodes come after those that they join.
        for node, (a, b) in zip(range(len(size) - 1, basins - 1, -1), joined[::-1], strict=True):
            start[a], start[b] = start[node], start[node] + size[a]
        first = np.array(start, np.int64)
        place = np.concatenate([[-1], first[:basins]]).astype(np.int32)
        return cls(regions, place, first, first + np.array(size, np.int64))

    def count(self, places: Places) -> NDArray[np.int64]:
        """Return the (N,) number of pixels in each region, of some by their places."""
        each = np.bincount(places[places >= 0], minlength=len(self.place) - 1)
        before = np.concatenate([[0], np.cumsum(each)])
        found: NDArray[np.int64] = before[self.end] - before[self.start]
        return found


class PromptedRegions:
    """The regions of a volume, to be selected by prompted masks.

    Parameters
    ----------
    load : callable
        Returns the :class:`.plane_maps.PlaneMaps` of plane ``n``, None for a plane without any.
    shape : tuple of int
        (planes, H, W).
    quality : Perceptron
        The finder's estimate for regions of a plane.
    key : str
        Text of all that decides the maps.
    smoothing : float
        Standard deviation in planes over which maps are averaged.
    outline : float
        Foreground probability at which objects end.
    should_stop : callable, optional
        Polled from plane to plane.

    Attributes
    ----------
    key : str
        Text of all that decides the regions.

    Raises
    ------
    InputError
        If the maps of planes differ in size.
    Cancelled
        If ``should_stop`` returned True.
    """

    def __init__(
        self,
        load: LoadMaps,
        shape: tuple[int, int, int],
        quality: Perceptron,
        key: str,
        *,
        smoothing: float,
        outline: float,
        should_stop: ShouldStop | None = None,
    ) -> None:
        self.key = repr((key, smoothing, outline))
        maps = SmoothedMaps(load, shape[0], smoothing)
        first = maps.first()
        self._step, side = (1, 1.0) if first is None else (first.step, first.side)
        self._shape, self._outline = (shape[1], shape[2]), outline
        self._basins = VolumeBasins(maps)
        graph = build_graph(self._basins.planes(should_stop), outline)
        check(should_stop)
        scored = score_regions(graph, quality, outline, side)
        self._nested = NestedRegions.of(scored, graph.count)

    @property
    def scores(self) -> NDArray[np.float64]:
        """(N,) expected IoU of each region."""
        return self._nested.regions.score

    def select(
        self,
        prompted: Mapping[int, PromptedMasks],
        wanted: Sequence[tuple[int, Collection[int]]],
        should_stop: ShouldStop | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the regions of the highest worth.

        Parameters
        ----------
        prompted : mapping
            The masks of all objects on their prompted planes, by number of the object.
        wanted : sequence
            K questions: an object, and those of its prompted planes that count.
        should_stop : callable, optional
            Polled from plane to plane.

        Returns
        -------
        regions : ndarray
            (K,) int64 number of the region; -1 where none has a pixel in common with the masks.
        fit : ndarray
            (K,) float64 IoU with the masks on the planes that count together, 0 without any.
            Planes on which the object is not count in the choice alone.
        """
        count = len(self.scores)
        if not count:
            return np.full(len(wanted), -1), np.zeros(len(wanted))
        areas: dict[int, NDArray[np.int64]] = {}
        shared: dict[tuple[int, int], Places] = {}
        for plane, places in self._planes({p for each in prompted.values() for p in each}):
            check(should_stop)
            areas[plane] = self._nested.count(places)
            for i, masks in prompted.items():
                mask = masks.get(plane)
                if mask is not None:
                    a, b, c, d = mask.boxes[0].tolist()
                    # Places of pixels are few; numbers in every region are not kept.
                    shared[i, plane] = places[a:c, b:d][mask.crop(0)]
        holding, holds = np.zeros(count, np.int64), {}
        for i, masks in prompted.items():
            holds[i] = self._shared(shared, i, masks) > OTHERS * max(_area(masks.values()), 1)
            holding += holds[i]
        regions, fits = np.full(len(wanted), -1), np.zeros(len(wanted))
        root = np.sqrt(np.clip(self.scores, LEAST_SCORE, 1))
        for k, (i, planes) in enumerate(wanted):
            check(should_stop)
            inside = self._shared(shared, i, planes)
            there = [p for p in planes if prompted[i][p] is not None]
            gone = [p for p in planes if p in areas and prompted[i][p] is None]
            union = sum(areas[p] for p in there) + _area(prompted[i][p] for p in there) - inside
            beyond = sum((areas[p] for p in gone), np.zeros(count, np.int64))
            fit = inside / np.maximum(union + beyond, 1)
            worth = fit * root * np.where(holding > holds[i], PENALTY, 1)
            best = int(worth.argmax())
            if fit[best] > 0:
                # What lies where the object is not can be left out, and says nothing of the rest.
                regions[k], fits[k] = best, inside[best] / union[best]
        return regions, fits

    def _shared(
        self, places: Mapping[tuple[int, int], Places], i: int, planes: Collection[int]
    ) -> NDArray[np.int64]:
        """Return the (N,) pixels of an object's masks on some planes that are in each region."""
        parts = [places[i, plane] for plane in planes if (i, plane) in places]
        return self._nested.count(np.concatenate([np.zeros(0, np.int32), *parts]))

    def sections(
        self,
        wanted: Sequence[tuple[int, range]],
        should_stop: ShouldStop | None = None,
    ) -> list[dict[int, MaskSet]]:
        """Return the masks of regions by plane; planes on which a region is not are left out.

        Parameters
        ----------
        wanted : sequence
            Number of a region, and the planes on which it is wanted, for each of K.
        should_stop : callable, optional
            Polled from plane to plane.
        """
        first, last = self._nested.regions.first, self._nested.regions.last
        spans = [
            range(max(planes.start, int(first[n])), min(planes.stop, int(last[n]) + 1))
            for n, planes in wanted
        ]
        found: list[dict[int, MaskSet]] = [{} for _ in wanted]
        for plane, places in self._planes({plane for span in spans for plane in span}):
            check(should_stop)
            for k, ((n, _), span) in enumerate(zip(wanted, spans, strict=True)):
                if plane in span:
                    inside = (places >= self._nested.start[n]) & (places < self._nested.end[n])
                    if inside.any():
                        found[k][plane] = MaskSet.from_masks(inside[None])
        return found

    def _planes(self, wanted: Collection[int]) -> Iterator[tuple[int, Places]]:
        """Yield planes in order, and the place of the basin of each of their pixels."""
        if not wanted:
            return
        for plane in self._basins.planes():
            if plane.number in wanted:
                yield plane.number, self._pixels(plane)
            if plane.number >= max(wanted):
                return

    def _pixels(self, plane: BasinPlane) -> Places:
        ways = self._step, self._shape
        places = enlarge_cells(self._nested.place[plane.labels], *ways)
        inside = within_outline(plane.maps.foreground, self._outline, *ways)
        found: Places = np.where(inside, places, np.int32(-1))
        return found


def _area(masks: Iterable[MaskSet | None]) -> int:
    """Return the pixels of masks together."""
    return sum(int(mask.area[0]) for mask in masks if mask is not None)
