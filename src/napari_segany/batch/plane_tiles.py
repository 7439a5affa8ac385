"""Tiles of a plane as jobs of their own: what is to do, what is finished, and the search of one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.batch.protocol import PlaneInput, TileNumber
from napari_segany.classification.classify_masks import tile_classifier
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.planes import Box
from napari_segany.core.tiles import TileGrid
from napari_segany.errors import InputError, SeganyError
from napari_segany.generators.tiles.find_tile import find_tile
from napari_segany.generators.tiles.join_tiles import larger_tiles
from napari_segany.generators.tiles.tile_candidates import TileCandidates
from napari_segany.io.atomic import writing
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe
from napari_segany.tiled_planes import window_reader

STREAMED_PIXELS = 2**25
"""Pixels from which on the results of a plane that was searched in tiles are written in tiles."""


def grid_of(recipe: Recipe, shape: tuple[int, int], level: int = 0) -> TileGrid:
    """Return the tiles of a level of a plane of ``shape`` (H, W).

    Raises
    ------
    InputError
        If the recipe has no such tiles.
    """
    grid = None if recipe.tiles is None else recipe.tiles.grid(shape)
    for _ in range(level):
        grid = None if grid is None else grid.coarser()
    if grid is None:
        raise InputError(f"The recipe has no tiles of level {level}.")
    return grid


def region_box(box: Box | None, shape: tuple[int, int]) -> Box:
    """Return the part of a plane of ``shape`` (H, W) that lies in a box, all of it without one.

    Raises
    ------
    InputError
        If the box lies beyond the plane.
    """
    height, width = shape
    top, left, bottom, right = (0, 0, height, width) if box is None else box
    inside = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise InputError(
            f"The box {top},{left},{bottom},{right} holds no pixel of a plane of {height} x "
            f"{width}; --region-box takes rows and columns: R0,C0,R1,C1."
        )
    return inside


def region_window(
    region: Any, index: tuple[int, ...], box: Box | None, window: Box, shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """Return the part of a region in a window of a plane; None if all of it is searched.

    Parameters
    ----------
    region : array or None
        (Y, X), or of the shape of the labels; lazy ones are read in the window only.
    index : tuple of int
        Index of the plane along the leading axes.
    box : tuple of int or None
        Box of the plane that is searched.
    window : tuple of int
        The window.
    shape : tuple of int
        (H, W) of the plane.
    """
    if region is None and box is None:
        return None
    top, left, bottom, right = window
    inside = np.zeros((bottom - top, right - left), bool)
    a, b, c, d = region_box(box, shape)
    inside[max(a - top, 0) : max(c - top, 0), max(b - left, 0) : max(d - left, 0)] = True
    if region is not None:
        where: tuple[Any, ...] = (slice(top, bottom), slice(left, right))
        inside &= np.asarray(region[where if len(region.shape) == 2 else (*index, *where)]) > 0
    return inside


def compute_tile(
    plane: PlaneInput,
    tile: TileNumber,
    model: PromptableModel,
    *,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> bytes:
    """Search one tile of a plane; return its candidates as bytes.

    Of the plane nothing else is read.

    Raises
    ------
    PlaneError
        If the tile cannot be read.
    Cancelled
        If ``should_stop`` returned True.
    """
    layout, recipe, (level, number) = plane.layout, plane.recipe, tile
    shape = layout.labels_shape[-2], layout.labels_shape[-1]
    grid = grid_of(recipe, shape, level)
    if recipe.classes is not None:
        recipe.classes.check_model(model.id, model.weights.sha256)
    window = grid.tile(number).box
    inside = region_window(plane.region, plane.index, plane.box, window, shape)
    if inside is not None and not inside.any():
        # Nothing is read where nothing is searched.
        pixels = np.zeros((*inside.shape, 3), np.uint8)
    else:
        pixels = window_reader(plane.image.data, layout, recipe, plane.index)(window)
    found = find_tile(
        model,
        pixels,
        recipe.params,
        grid=grid,
        number=number,
        level=level,
        region=inside,
        progress=progress,
        should_stop=should_stop,
        refilter=False,
        classify=tile_classifier(recipe.classes),
    )
    return found.to_bytes()


class TileStore:
    """The finished tiles of one plane, a file each.

    Parameters
    ----------
    folder : Path
        Folder of the finished planes of the image.
    plane : int
        Number of the plane.
    """

    def __init__(self, folder: Path, plane: int) -> None:
        self._folder = folder / f"plane_{plane:06d}"

    def _path(self, tile: TileNumber) -> Path:
        return self._folder / f"tile_{tile[0]}_{tile[1]:06d}.npz"

    def save(self, tile: TileNumber, content: bytes) -> None:
        """Write a finished tile to disk."""
        with writing(self._path(tile)) as temporary:
            temporary.write_bytes(content)

    def load(self, tile: TileNumber) -> TileCandidates:
        """Read a finished tile.

        Raises
        ------
        SeganyError
            If it is not there, or damaged.
        """
        try:
            return TileCandidates.from_bytes(self._path(tile).read_bytes())
        except OSError as error:
            raise SeganyError(f"{self._path(tile)} cannot be read ({error}).") from error

    def has(self, tile: TileNumber) -> bool:
        """Return True if a tile is finished; delete a file that cannot be read."""
        path = self._path(tile)
        if not path.is_file():
            return False
        try:
            self.load(tile)
        except SeganyError:
            path.unlink()
            return False
        return True


class PlaneTiles:
    """The tiles of one plane while they are computed.

    Those of all levels that cover the plane come at first, then level after level what these cut.

    Parameters
    ----------
    grid : TileGrid
        The tiles of level 0.
    store : TileStore
        The finished tiles.
    searched : tuple of int
        Box of the plane that is searched; only tiles that reach into it are computed.

    Attributes
    ----------
    resumed : int
        Number of tiles that an earlier run finished.
    tiles : list of tuple
        (level, number) of every tile, as far as it is known.
    """

    def __init__(self, grid: TileGrid, store: TileStore, searched: Box) -> None:
        self._grid, self._store, self._searched = grid, store, searched
        self._level = -1
        self._missing: set[TileNumber] = set()
        self.resumed = 0
        self.tiles: list[TileNumber] = []

    def next_level(self) -> list[TileNumber]:
        """Return the tiles to compute of the next level that has any; empty if all is there."""
        while True:
            tiles = self._covering() if self._level < 0 else self._larger()
            if not tiles:
                return []
            self.tiles += tiles
            to_do = [tile for tile in tiles if not self._store.has(tile)]
            self.resumed += len(tiles) - len(to_do)
            self._missing = set(to_do)
            if to_do:
                return to_do

    def _covering(self) -> list[TileNumber]:
        """Return the tiles of all levels that cover the plane."""
        levels = self._grid.covering
        self._level = len(levels) - 1
        return [
            (n, each) for n, grid in enumerate(levels) for each in grid.reaching(self._searched)
        ]

    def _larger(self) -> list[TileNumber]:
        """Return the tiles of the next level, of objects that the one before cuts."""
        self._level += 1
        numbers = larger_tiles(self._grid, self.parts(), self._level)
        return [(self._level, number) for number in numbers]

    def add(self, tile: TileNumber, content: bytes) -> list[TileNumber] | None:
        """Store a computed tile.

        Returns
        -------
        list of tuple or None
            The tiles to compute next when the level is complete, empty when the plane is; None
            while tiles of the level are missing.
        """
        self._store.save(tile, content)
        self._missing.discard(tile)
        return None if self._missing else self.next_level()

    @property
    def fraction(self) -> float:
        """Fraction of the known tiles that are finished, 0..1."""
        return 1 - len(self._missing) / max(len(self.tiles), 1)

    def parts(self) -> Iterator[TileCandidates]:
        """Iterate over the candidates of all tiles, one at a time."""
        return (self._store.load(tile) for tile in self.tiles)
