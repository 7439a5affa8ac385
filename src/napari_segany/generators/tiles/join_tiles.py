"""Joining of the candidates of all tiles of a plane into one set."""

from collections.abc import Iterable

from napari_segany.core.masks import MaskSet
from napari_segany.core.tiles import TileGrid
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.tiles.tile_candidates import TileCandidates


def join_tiles(grid: TileGrid, parts: Iterable[TileCandidates], params: GeneratorParams) -> MaskSet:
    """Return the objects of a plane from the candidates of its tiles, in any order.

    Parameters
    ----------
    grid : TileGrid
        Tiles of level 0.
    parts : iterable of TileCandidates
        Results of :func:`find_tile`; tiles that were not searched are left out.
    params : GeneratorParams
        Parameters of the search with everything filled in, as for the plane.

    Returns
    -------
    MaskSet
        Best first. An object at a border is taken from the tile that sees it whole, and one that
        several tiles see is there once.
    """
    kept = [MaskSet.empty(grid.shape)]
    for part in sorted(parts, key=lambda each: (each.level, each.number)):
        owned = grid.owners(part.masks.boxes) == part.number
        kept.append(part.masks[owned])
    return MaskSet.concatenate(kept)
