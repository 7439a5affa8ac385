"""Search of a large plane in tiles, of which what is done is kept when it is stopped."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.image_source import ImageSource, Plane, plane_shape
from napari_segany.core.masks import MaskSet
from napari_segany.core.plane_windows import SourcePlane, sampled_limits
from napari_segany.errors import BlankPlaneError, InputError, PlaneError
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles.join_tiles import join_tiles
from napari_segany.generators.tiles.object_size import SizeEstimate
from napari_segany.generators.tiles.search_tiles import OnTile, ReadWindow, search_tiles
from napari_segany.generators.tiles.tile_candidates import TileCandidates
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.filters import Filters
from napari_segany.tiled_planes import rgb_reader, settle_tiles

ReadRegion = Callable[[], NDArray[Any]]
"""Returns the (H, W) region of a search, which is above 0 inside."""


@dataclass(frozen=True)
class SearchTiles:
    """The tiles of a search, as they were asked for and as they are used.

    Attributes
    ----------
    asked : TileParams or None
        What was asked for; a size of None is to be estimated.
    settled : TileParams or None
        The same with numbers for everything; None for a search of whole planes.
    estimate : SizeEstimate or None
        What the size of objects was estimated from, if it was.
    """

    asked: TileParams | None = None
    settled: TileParams | None = None
    estimate: SizeEstimate | None = None


WHOLE = SearchTiles()
"""Tiles of a search of whole planes."""


def plane_reader(source: ImageSource, plane: Plane) -> ReadWindow:
    """Return a function that reads windows of a plane as the model sees them.

    Limits that are the plane's own come from a sample of it, as those of
    :func:`napari_segany.tiled_planes.window_reader`.

    Raises
    ------
    BlankPlaneError
        If no pixel of the sample is a finite number.
    PlaneError
        If the plane cannot be read.
    """
    windows = SourcePlane(source, plane)
    try:
        limits = sampled_limits(windows, source.limits)
    except PlaneError:
        raise
    except InputError as error:
        raise BlankPlaneError(str(error)) from error
    return rgb_reader(lambda box: windows.window(*_slices(box)), limits)


def _slices(box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    return slice(box[0], box[2]), slice(box[1], box[3])


def find_tiles(
    source: ImageSource,
    planes: list[Plane],
    model: PromptableModel,
    params: FilterRules,
    asked: TileParams,
    should_stop: ShouldStop | None = None,
) -> SearchTiles:
    """Return the tiles of planes of one shape; the size of objects is estimated if it is needed.

    Raises
    ------
    PlaneError
        If the plane that is looked at cannot be read.
    Cancelled
        If ``should_stop`` returned True.
    """
    shape = plane_shape(source.shape, planes[0])
    readers = ((lambda plane=plane: plane_reader(source, plane)) for plane in planes)
    settled, estimate = settle_tiles(asked, model, params, shape, readers, should_stop)
    return SearchTiles(asked, settled, estimate)


class TileSearch:
    """Search of one plane in tiles.

    Parameters
    ----------
    source : ImageSource
        The image, of which windows of the plane are read.
    plane : tuple
        The plane.
    model : PromptableModel
        The model.
    params : FilterRules
        Parameters of the search, with everything filled in.
    tiles : TileParams
        The tiles, with numbers for everything.
    region : callable, optional
        Function that returns the region of the search.
    before : TileSearch, optional
        A search with the same model, parameters and tiles that was stopped. Its tiles count if the
        region is the same, too.

    Attributes
    ----------
    parts : list of TileCandidates
        What was found in the tiles that are done.
    """

    def __init__(
        self,
        source: ImageSource,
        plane: Plane,
        model: PromptableModel,
        params: FilterRules,
        tiles: TileParams,
        region: ReadRegion | None = None,
        before: "TileSearch | None" = None,
    ) -> None:
        self._source, self._plane = source, plane
        self._model, self._params, self._region = model, params, region
        self.grid = tiles.grid(plane_shape(source.shape, plane))
        self.parts: list[TileCandidates] = []
        self._before = before
        # Where it searches, once that was read.
        self._inside: NDArray[np.bool_] | None = None

    @property
    def done(self) -> int:
        """Tiles that are done, of the levels that cover the plane."""
        return sum(part.level < len(self.grid.covering) for part in self.parts)

    def find(
        self,
        should_stop: ShouldStop | None = None,
        report: Progress | None = None,
        on_tile: OnTile | None = None,
    ) -> MaskSet:
        """Return the objects of the plane; called in another thread.

        Raises
        ------
        PlaneError
            If the plane cannot be read, or is blank.
        Cancelled
            If ``should_stop`` returned True; :attr:`parts` has what is done then.
        """
        self._inside = None if self._region is None else np.asarray(self._region()) > 0
        before, self._before = self._before, None
        if before is not None and self._same_region(before):
            self.parts = list(before.parts)

        def keep(part: TileCandidates) -> None:
            self.parts.append(part)
            if on_tile is not None:
                on_tile(part)

        ways: Any = {"progress": report, "should_stop": should_stop, "region": self._inside}
        read = plane_reader(self._source, self._plane)
        known = tuple(self.parts)
        return search_tiles(
            self._model, read, self.grid, self._params, on_tile=keep, known=known, **ways
        )

    def objects_of(self, part: TileCandidates, filters: Filters) -> MaskSet:
        """Return the objects of one tile, from the largest to the smallest."""
        found = join_tiles(self.grid, [part], self._params)
        with suppress(InputError):
            found = filters.possible_for(found).select_masks(found)
        return found[np.argsort(-found.area, kind="stable")]

    def found_so_far(self) -> MaskSet:
        """Return the objects of the tiles that are done."""
        return join_tiles(self.grid, tuple(self.parts), self._params)

    def _same_region(self, other: "TileSearch") -> bool:
        one, two = self._inside, other._inside
        return one is two if one is None or two is None else np.array_equal(one, two)
