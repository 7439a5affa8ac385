"""Regions of a volume that prompted masks select, among all that its maps are cut into.

A region fits prompted masks by the IoU on their planes together. That alone cannot tell an object
from a part of it, or from what holds it and more: sections of all three can be the same on the
prompted planes. So what was found on other planes by another way counts as well, and the expected
IoU of the region. By the same measures the outline of each object is chosen: cells of a tissue fill
it up to their walls, and nuclei end where they are brighter than what surrounds them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.generators.quality import Perceptron
from napari_segany.generators.region_tree import LOW_FOREGROUND
from napari_segany.generators.volumes.basin_graph import build_graph
from napari_segany.generators.volumes.basins import BasinPlane, VolumeBasins
from napari_segany.generators.volumes.plane_pixels import depths, enlarge_cells
from napari_segany.generators.volumes.region_scores import ScoredRegions, score_regions
from napari_segany.generators.volumes.smoothed_maps import LoadMaps, SmoothedMaps

OUTLINES = (0.1, 0.2, 0.4)
"""Foreground probabilities at which an object may end, see
``docs/decisions/0041-outlines-by-prompts.md``. Expected IoU is that at the middle one."""

LEAST_SCORE = 0.05
"""Expected IoU of regions that are expected to be nothing at all."""

SectionMasks = Mapping[int, MaskSet | None]
"""One mask of an object on each of some planes, None where it is not."""


@dataclass(frozen=True, eq=False)
class Places:
    """Pixels of a plane, or some of them.

    Attributes
    ----------
    place : ndarray
        int32 place of the basin of each pixel in the order of :class:`NestedRegions`, -1 for none.
    depth : ndarray
        int8 number of outlines within which each lies, of the same shape.
    """

    place: NDArray[np.int32]
    depth: NDArray[np.int8]

    def within(self, mask: MaskSet) -> "Places":
        """Return the pixels of a set of one mask, in one row."""
        a, b, c, d = mask.boxes[0].tolist()
        inside = mask.crop(0)
        return Places(self.place[a:c, b:d][inside], self.depth[a:c, b:d][inside])


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

    @property
    def basins(self) -> int:
        """Number of basins."""
        return len(self.place) - 1

    def count(
        self, places: Places, outlines: int, some: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Return how many of the pixels are in each region.

        Parameters
        ----------
        places : Places
            The pixels.
        outlines : int
            Number of outlines.
        some : ndarray, optional
            (S,) numbers of regions: outline times N, plus node. Without it all, in that order.
        """
        inside = (places.place >= 0) & (places.depth > 0)
        of_pixel = (places.depth[inside] - 1) * np.int64(self.basins) + places.place[inside]
        each = np.bincount(of_pixel, minlength=outlines * self.basins).reshape(outlines, -1)
        # Pixels within an outline are within all wider ones.
        within = each[::-1].cumsum(axis=0)[::-1]
        before = np.pad(within.cumsum(axis=1), ((0, 0), (1, 0)))
        if some is None:
            found: NDArray[np.int64] = before[:, self.end] - before[:, self.start]
            return found.ravel()
        outline, node = np.divmod(some, len(self.start))
        of_some: NDArray[np.int64] = (
            before[outline, self.end[node]] - before[outline, self.start[node]]
        )
        return of_some


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
    smoothing : float
        Standard deviation in planes over which maps are averaged.
    outline : float, optional
        Foreground probability at which objects end. If None, each region has one number for each of
        :data:`OUTLINES`, the N regions at the widest outline first.
    should_stop : callable, optional
        Polled from plane to plane.

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
        *,
        smoothing: float,
        outline: float | None = None,
        should_stop: ShouldStop | None = None,
    ) -> None:
        maps = SmoothedMaps(load, shape[0], smoothing)
        first = maps.first()
        self._step, side = (1, 1.0) if first is None else (first.step, first.side)
        self._shape = shape[1], shape[2]
        self._outlines = OUTLINES if outline is None else (outline,)
        middle = self._outlines[len(self._outlines) // 2]
        self._basins = VolumeBasins(maps, min(LOW_FOREGROUND, self._outlines[0]))
        graph = build_graph(self._basins.planes(should_stop), middle)
        check(should_stop)
        scored = score_regions(graph, quality, middle, side)
        self._nested = NestedRegions.of(scored, graph.count)
        score = np.clip(scored.score, LEAST_SCORE, 1)
        self._scores = np.tile(score, len(self._outlines))

    @property
    def scores(self) -> NDArray[np.float64]:
        """Expected IoU of each region, the same at all outlines, and never 0."""
        return self._scores

    def select(
        self,
        prompted: Sequence[SectionMasks],
        followed: Sequence[SectionMasks],
        should_stop: ShouldStop | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the region of the highest worth for each of K objects.

        The worth is the IoU with the prompted masks on their planes together, times the IoU with
        prompted and followed masks on all planes that are known of, times the root of the expected
        IoU.

        Parameters
        ----------
        prompted : sequence of mapping
            The masks of each object on prompted planes; None where it is said not to be.
        followed : sequence of mapping
            What was found on other planes; None where nothing was.
        should_stop : callable, optional
            Polled from plane to plane.

        Returns
        -------
        regions : ndarray
            (K,) int64 number of the region; -1 where none has a pixel in common with the masks. It
            is one that is on all planes between the prompted ones, if there is such a one.
        fit : ndarray
            (K,) float64 IoU with the prompted masks on their planes together, 0 without any.
            Planes on which the object is said not to be count in the choice alone.
        """
        there = [{p: mask for p, mask in each.items() if mask is not None} for each in prompted]
        able = self._meeting(there, should_stop)
        known = [{**every, **given} for every, given in zip(followed, prompted, strict=True)]
        # Between planes on which an object is, it is on every plane.
        inner = [
            {p for p in every_other if masks and min(masks) < p < max(masks)}
            for every_other, masks in zip(followed, there, strict=True)
        ]
        overlaps = self._compare(known, there, inner, able, should_stop)
        regions, fits = np.full(len(prompted), -1), np.zeros(len(prompted))
        for k, nodes in enumerate(able):
            if not len(nodes):
                continue
            overlap = overlaps[k]
            fit, agreed = overlap.shared / overlap.union, overlap.all_shared / overlap.all_union
            worth = fit * agreed * np.sqrt(self._scores[nodes])
            whole = overlap.held == len(inner[k])
            best = int((np.where(whole, worth, 0) if whole.any() else worth).argmax())
            regions[k], fits[k] = nodes[best], fit[best]
        return regions, fits

    def _meeting(
        self, masks: Sequence[SectionMasks], should_stop: ShouldStop | None
    ) -> list[NDArray[np.int64]]:
        """Return the numbers of the regions that share pixels with any of the masks of each."""
        found = [np.zeros(0, np.int64) for _ in masks]
        for plane, places in self._planes({p for each in masks for p in each}):
            check(should_stop)
            for k, each in enumerate(masks):
                mask = each.get(plane)
                if mask is not None and mask.area[0]:
                    shared = self._nested.count(places.within(mask), len(self._outlines))
                    found[k] = np.union1d(found[k], np.flatnonzero(shared))
        return found

    def _compare(
        self,
        masks: Sequence[SectionMasks],
        prompted: Sequence[Collection[int]],
        inner: Sequence[Collection[int]],
        nodes: Sequence[NDArray[np.int64]],
        should_stop: ShouldStop | None,
    ) -> list["_Overlap"]:
        """Compare some regions with the masks of each object, on the planes of these.

        Prompted planes, and those between them, are among those of the masks.
        """
        found = [_Overlap.of(len(some)) for some in nodes]
        outlines = len(self._outlines)
        for plane, places in self._planes({p for each in masks for p in each}):
            check(should_stop)
            whole = self._nested.count(places, outlines)
            for k, (each, some, overlap) in enumerate(zip(masks, nodes, found, strict=True)):
                if plane not in each or not len(some):
                    continue
                union, mask = whole[some], each[plane]
                shared = np.zeros_like(union)
                if plane in inner[k]:
                    overlap.held += union > 0
                if mask is not None and mask.area[0]:
                    shared = self._nested.count(places.within(mask), outlines, some)
                    union = union + int(mask.area[0]) - shared
                overlap.all_shared += shared
                overlap.all_union += union
                if plane in prompted[k]:
                    overlap.shared += shared
                    overlap.union += union
        return found

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
        found: list[dict[int, MaskSet]] = [{} for _ in wanted]
        for plane, places in self._planes({plane for _, span in wanted for plane in span}):
            check(should_stop)
            pixels = self._nested.count(places, len(self._outlines))
            for k, (number, span) in enumerate(wanted):
                if plane in span and pixels[number]:
                    inside = self._inside(places, number)
                    found[k][plane] = MaskSet.from_masks(inside[None])
        return found

    def _inside(self, places: Places, number: int) -> NDArray[np.bool_]:
        """Return the pixels of a region."""
        outline, node = divmod(number, len(self._nested.start))
        place, nested = places.place, self._nested
        inside: NDArray[np.bool_] = (place >= nested.start[node]) & (place < nested.end[node])
        return inside & (places.depth > outline)

    def _planes(self, wanted: Collection[int]) -> Iterator[tuple[int, Places]]:
        """Yield planes in order, and their pixels."""
        if not wanted:
            return
        for plane in self._basins.planes():
            if plane.number in wanted:
                yield plane.number, self._pixels(plane)
            if plane.number >= max(wanted):
                return

    def _pixels(self, plane: BasinPlane) -> Places:
        ways = self._step, self._shape
        return Places(
            enlarge_cells(self._nested.place[plane.labels], *ways),
            depths(plane.maps.foreground, self._outlines, *ways),
        )


@dataclass(eq=False)
class _Overlap:
    """Sums over planes: what S regions have in common with the masks of an object.

    Attributes
    ----------
    shared, union : ndarray
        (S,) int64 pixels of both, and of one of them, on prompted planes.
    all_shared, all_union : ndarray
        (S,) int64 the same on all planes that are known of.
    held : ndarray
        (S,) int64 number of the inner planes on which each region is.
    """

    shared: NDArray[np.int64]
    union: NDArray[np.int64]
    all_shared: NDArray[np.int64]
    all_union: NDArray[np.int64]
    held: NDArray[np.int64]

    @classmethod
    def of(cls, count: int) -> "_Overlap":
        """Return nothing in common, yet."""
        return cls(*(np.zeros(count, np.int64) for _ in range(5)))
