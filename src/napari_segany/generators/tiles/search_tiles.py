"""Search of a whole plane, tile by tile, in bounded memory."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.core.region import check_plane_region
from napari_segany.core.tiles import Box, TileGrid
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.tiles.find_tile import ClassifyTile, find_tile
from napari_segany.generators.tiles.join_tiles import join_tiles, larger_tiles
from napari_segany.generators.tiles.tile_candidates import TileCandidates
from napari_segany.models.protocol import PromptableModel

ReadWindow = Callable[[Box], NDArray[np.uint8]]
"""Returns the (h, w, 3) uint8 pixels of a box of the plane."""

OnTile = Callable[[TileCandidates], object]
"""Called with the candidates of each tile when it is done."""

STEPS = 100
"""Steps of a tile that are reported."""


def search_tiles(
    model: PromptableModel,
    read: ReadWindow,
    grid: TileGrid,
    params: GeneratorParams | None = None,
    *,
    region: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    refilter: bool = True,
    on_tile: OnTile | None = None,
    known: Iterable[TileCandidates] = (),
    classify: ClassifyTile | None = None,
) -> MaskSet:
    """Find everything in a plane, of which one tile at a time is in memory.

    Parameters
    ----------
    model : PromptableModel
        The model that answers prompts.
    read : callable
        Reads a window of the plane, with the intensity limits of the whole plane.
    grid : TileGrid
        The tiles.
    params : GeneratorParams, optional
        As for :func:`generate_masks`.
    region : ndarray, optional
        (H, W) boolean; objects are searched for only inside it, and other tiles are not read.
    progress : callable, optional
        Called with steps done and in all.
    should_stop : callable, optional
        Polled as by :func:`generate_masks`, and between tiles.
    refilter : bool
        Also keep candidates beyond the thresholds, so that :meth:`MaskSet.filter` can choose again.
    on_tile : callable, optional
        Called in this thread with the candidates of each tile.
    known : iterable of TileCandidates
        Tiles that an earlier search with the same arguments has done. They are not searched again.
    classify : callable, optional
        Sorts the objects into classes, see :func:`find_tile`.

    Returns
    -------
    MaskSet
        Best first, see :func:`join_tiles`.

    Raises
    ------
    InputError
        If ``region`` has another shape than the plane, or the generator cannot search tiles.
    Cancelled
        If ``should_stop`` returned True.
    """
    check_plane_region(region, grid.shape)
    resolved = resolve_params(model, params)
    parts: list[TileCandidates] = []
    done_before = {(part.level, part.number): part for part in known}
    report = _Report([len(each) for each in grid.covering], progress)
    own: TileGrid | None = grid
    level, numbers = 0, tuple(range(len(grid)))
    while own is not None and numbers:
        for place, number in enumerate(numbers):
            check(should_stop)
            tile = own.tile(number)
            inside = None if region is None else region[tile.slices]
            if (level, number) in done_before:
                parts.append(done_before[level, number])
            elif inside is None or inside.any():
                ways: Any = {"region": inside, "should_stop": should_stop, "refilter": refilter}
                ways["classify"] = classify
                part = find_tile(
                    model,
                    read(tile.box),
                    resolved,
                    grid=own,
                    number=number,
                    level=level,
                    progress=report.tile(level, place, len(numbers)),
                    **ways,
                )
                parts.append(part)
                if on_tile is not None:
                    on_tile(part)
            report.tile(level, place + 1, len(numbers))(0, 1)
        level += 1
        numbers = larger_tiles(grid, parts, level)
        own = own.coarser()
    check(should_stop)
    found = join_tiles(grid, parts, resolved)
    report.finish()
    return found


class _Report:
    """Progress over the tiles of all levels, which only grows.

    Of the levels that cover the plane it is known how many tiles they have; how many larger ones
    there will be is not, and together they count as one tile.
    """

    def __init__(self, covering: list[int], progress: Progress | None) -> None:
        self._covering, self._progress, self._done = covering, progress, 0
        self._total = STEPS * (sum(covering) + 1)

    def tile(self, level: int, place: int, count: int) -> Progress:
        """Return the progress of one of ``count`` tiles of a level."""

        def advance(done: int, total: int) -> None:
            part = (place + min(done / max(total, 1), 1.0)) / count
            steps: float = STEPS * sum(self._covering[:level])
            if level < len(self._covering):
                steps += STEPS * self._covering[level] * part
            else:
                # Each level has half of what is left.
                steps += STEPS * (1 - 0.5 ** (level - len(self._covering) + part))
            self._advance(min(int(steps), self._total - 1))

        return advance

    def finish(self) -> None:
        """Report all steps."""
        self._advance(self._total)

    def _advance(self, done: int) -> None:
        if done > self._done:
            self._done = done
            if self._progress is not None:
                self._progress(done, self._total)
