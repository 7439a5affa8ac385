"""Searches of the planes of an image, one after another in the background; needs no Qt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

from psygnal import Signal

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.core.masks import MaskSet
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.generate import generate_masks
from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles.tile_candidates import TileCandidates
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.everything.messages import found_message, stopped_message
from napari_segany.plugin.everything.search_clock import SearchClock, points_of_crops
from napari_segany.plugin.everything.tile_search import (
    WHOLE,
    ReadRegion,
    SearchTiles,
    TileSearch,
    find_tiles,
)
from napari_segany.plugin.jobs.failures import PlaneFailures
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.tiled_planes import tiles_of_search


@dataclass(frozen=True, eq=False)
class Search:
    """A search of some planes of one image.

    Attributes
    ----------
    found : FoundMasks
        Takes the masks.
    planes : list of tuple
        The planes.
    model : PromptableModel
        The model.
    params : FilterRules
        Parameters, with everything filled in.
    regions : mapping
        For each plane, None or a function that returns its region.
    where : str
        Name of the layer that the search is restricted to; empty for none.
    start : Filters
        Filters with which the masks are shown first.
    tiles : SearchTiles
        The tiles of the planes.
    """

    found: FoundMasks
    planes: list[Plane]
    model: PromptableModel
    params: FilterRules
    regions: Mapping[Plane, ReadRegion | None]
    where: str
    start: Filters
    tiles: SearchTiles = WHOLE


class PlaneSearches:
    """Searches planes in the background, as a whole or in tiles.

    Parameters
    ----------
    jobs : JobQueue
        Queue in which the model runs.
    clock : SearchClock
        Told of each plane that is finished.
    report : Progress, optional
        Called from the worker thread with the steps of a plane.

    Attributes
    ----------
    remaining : list of tuple
        Planes that are still to be searched.
    searched : Signal
        Emitted with :class:`FoundMasks` that have the masks of another plane.
    failed : Signal
        Emitted when a plane could not be searched.
    status : Signal
        Emitted with a message and its severity.
    """

    searched = Signal(object)
    failed = Signal()
    status = Signal(str, str)

    def __init__(self, jobs: JobQueue, clock: SearchClock, report: Progress | None = None) -> None:
        self._jobs, self._clock, self._report = jobs, clock, report
        self.remaining: list[Plane] = []
        # Planes in tiles that were begun and whose masks did not arrive yet.
        self._begun: dict[Plane, tuple[Search, TileSearch]] = {}
        # Objects of single tiles that nobody took yet.
        self._tiles: SimpleQueue[tuple[FoundMasks, Plane, MaskSet]] = SimpleQueue()
        self._failures = PlaneFailures()

    def begin(self, search: Search, tiles: TileParams | None) -> None:
        """Search planes; those that are large in tiles.

        Parameters
        ----------
        search : Search
            The search; its tiles are settled here.
        tiles : TileParams or None
            Tiles of large planes; None to search all as a whole.
        """
        found, planes, params = search.found, search.planes, search.params
        shape = plane_shape(found.source.shape, planes[0])
        self.remaining, self._failures = list(planes), PlaneFailures()
        asked = tiles_of_search(tiles, params, shape)
        same = (search.model, params, asked) == (found.model, found.params, found.tiles.asked)
        if asked is None:
            self._submit_all(search)
        elif same:
            # Planes that are searched one by one are searched in the same tiles.
            self._submit_all(replace(search, tiles=found.tiles))
        elif asked.object_size is not None:
            self._submit_all(replace(search, tiles=SearchTiles(asked, asked.resolved(params))))
        else:
            self._settle(search, asked)

    def _settle(self, search: Search, asked: TileParams) -> None:
        """Estimate the size of objects, and search then."""
        source, planes = search.found.source, search.planes

        def work(should_stop: ShouldStop) -> SearchTiles:
            return find_tiles(source, planes, search.model, search.params, asked, should_stop)

        def done(tiles: SearchTiles) -> None:
            self._submit_all(replace(search, tiles=tiles))

        def failed(error: Exception) -> None:
            for plane in planes:
                self._failures.add(plane, error)
            self.remaining = []
            self.status.emit(str(self._failures), "warning")
            self.failed.emit()

        self._jobs.submit(("find", "tiles"), Priority.VIEW, work, done, failed)
        self.status.emit("Estimating the size of objects ...", "info")

    def _submit_all(self, search: Search) -> None:
        shape = plane_shape(search.found.source.shape, search.planes[0])
        points = [] if search.tiles.settled else points_of_crops(shape, search.params)
        self._clock.start(len(search.planes), points)
        for plane in search.planes:
            if search.tiles.settled is None:
                self._submit(search, plane, self._whole(search, plane))
            else:
                self._submit(search, plane, self._tiled(search, plane, search.tiles.settled))
        self.status.emit("Searching ...", "info")

    def _whole(self, search: Search, plane: Plane) -> Callable[[ShouldStop], MaskSet]:
        """Return a function that searches a plane as a whole."""
        source, region = search.found.source, search.regions[plane]

        def work(should_stop: ShouldStop) -> MaskSet:
            return generate_masks(
                search.model,
                source.read(plane),
                search.params,
                limits=source.limits,
                region=None if region is None else region(),
                progress=self._report,
                should_stop=should_stop,
            )

        return work

    def _tiled(
        self, search: Search, plane: Plane, tiles: TileParams
    ) -> Callable[[ShouldStop], MaskSet]:
        """Return a function that searches a plane in tiles."""
        found = search.found
        same = (search.model, search.params, search.tiles)
        before = found.unfinished.get(plane)
        if same != (found.model, found.params, found.tiles):
            before = None

        def work(should_stop: ShouldStop) -> MaskSet:
            region = search.regions[plane]
            # More urgent work of the queue may have interrupted this search.
            begun = self._begun.get(plane)
            earlier = begun[1] if begun is not None and begun[0] is search else before
            task = TileSearch(
                found.source, plane, search.model, search.params, tiles, region, earlier
            )
            self._begun[plane] = search, task

            def show(part: TileCandidates) -> None:
                if 0 < part.level < len(task.grid.covering):
                    # Most of its objects are there already; which ones count is settled later.
                    return
                self._tiles.put((found, plane, task.objects_of(part, search.start)))

            return task.find(should_stop, self._report, show)

        return work

    def _submit(self, search: Search, plane: Plane, find: Callable[[ShouldStop], MaskSet]) -> None:
        def work(should_stop: ShouldStop) -> MaskSet:
            masks = find(should_stop)
            # Precompute solidity so the first slider move is instant.
            masks.filter(min_solidity=1e-9)
            return masks

        def finish_plane() -> None:
            self._begun.pop(plane, None)
            self._clock.finish_plane()
            self.remaining = [each for each in self.remaining if each != plane]
            if not self.remaining:
                about = search.found, search.planes, search.params, self._failures
                self.status.emit(*found_message(*about))

        def done(masks: MaskSet) -> None:
            self._add(search, plane, masks)
            finish_plane()
            self.searched.emit(search.found)

        def failed(error: Exception) -> None:
            self._failures.add(plane, error)
            finish_plane()
            self.failed.emit()

        self._jobs.submit(("find", plane), Priority.VIEW, work, done, failed)

    @staticmethod
    def _add(search: Search, plane: Plane, masks: MaskSet) -> None:
        about: Any = (search.model, search.params, search.where, search.start, search.tiles)
        search.found.add_plane(plane, masks, *about)

    @property
    def place_text(self) -> str:
        """Plane and tile in work, such as "plane 2 of 9, tile 3 of 16, "; often empty."""
        planes, text = self._clock.planes, ""
        if planes > 1:
            text = f"plane {self._clock.finished + 1} of {planes}, "
        for _, task in self._begun.values():
            count = task.grid.count
            return f"{text}tile {min(task.done + 1, count)} of {count}, "
        return text

    def take_tiles(self, found: FoundMasks) -> dict[Plane, list[MaskSet]]:
        """Return objects of the tiles of an image that were searched since the last call.

        They are a first look at what is found: seams and filters are not settled yet.
        """
        tiles: dict[Plane, list[MaskSet]] = {}
        while not self._tiles.empty():
            of, plane, masks = self._tiles.get()
            if of is found and plane in self._begun and len(masks):
                tiles.setdefault(plane, []).append(masks)
        return tiles

    def stop(self) -> None:
        """Stop; the masks of tiles that are done are kept, and the next search goes on there."""
        self._jobs.cancel(Priority.VIEW)
        self.remaining = []
        begun, self._begun = self._begun, {}
        for plane, (search, task) in begun.items():
            if len(task.parts):
                self._keep(search, plane, task)

    def _keep(self, search: Search, plane: Plane, task: TileSearch) -> None:
        """Add the masks of the tiles that are done."""

        def done(masks: MaskSet) -> None:
            self._add(search, plane, masks)
            search.found.unfinished[plane] = task
            self.status.emit(stopped_message(task.done, task.grid.count), "info")
            self.searched.emit(search.found)

        def failed(error: Exception) -> None:
            self.status.emit(str(error), "warning")

        self._jobs.run_beside(lambda _: task.found_so_far(), done, failed)
