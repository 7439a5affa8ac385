"""Parameters of searching a plane in tiles, frozen and checked."""

from dataclasses import asdict, dataclass, field, fields, replace
from math import ceil
from typing import Any, Literal, Self

from napari_segany.core.parameter_info import (
    check_parameters,
    choice,
    integer,
    number,
    with_parameter_docs,
)
from napari_segany.core.tiles import TileGrid
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.models.object_size import (
    FRAME_SIDE,
    LARGE_PLANE,
    SEARCHED_OBJECT_SIZE,
    SIZE_IN_TWO_VIEWS,
)

OVERLAP_SIZES = 2.0
"""Overlap of tiles, in lengths of an object."""

SMALLEST_TILE, LARGEST_TILE = 256, 4096
"""Bounds in pixels on the side that the size of objects asks for. Smaller tiles show no more."""

Tiling = Literal["auto", "always"]
"""Planes that are searched in tiles: those with a long side, or all."""


@with_parameter_docs
@dataclass(frozen=True)
class TileParams:
    """Parameters of searching a plane in overlapping tiles.

    The metadata of a field holds its label, help, range and unit, as for :class:`AutomaticParams`.
    The order of the fields is that of the entries of recipes. Recipes of planes that were searched
    in tiles hold numbers for all of them.

    Raises
    ------
    InputError
        If a value is out of range, or the tiles are too small for their overlap.
    """

    tiles: Tiling = field(
        default="auto",
        metadata=choice(
            "Tiles",
            "Search planes in overlapping tiles if a side is longer than 2048 pixels, or always.",
            {"auto": "large planes", "always": "always"},
        ),
    )
    object_size: float | None = field(
        default=None,
        metadata=number(
            "Object size",
            "Longer side of a typical object's box in pixels. Tiles are enlarged or reduced so "
            "that it has the size that the model sees best.",
            (2, 65536),
            "pixels",
            unset="estimated",
        ),
    )
    tile_side: int | None = field(
        default=None,
        metadata=integer(
            "Tile side",
            "Side of a tile in pixels of the plane.",
            (64, 8192),
            "pixels",
            advanced=True,
            unset="by the size of objects",
        ),
    )
    tile_overlap: int | None = field(
        default=None,
        metadata=integer(
            "Tile overlap",
            "Least overlap of neighbouring tiles. Objects that are longer are searched again in "
            "larger tiles.",
            (0, 4095),
            "pixels",
            advanced=True,
            unset="twice the size of objects",
        ),
    )

    tile_scales: int | None = field(
        default=None,
        metadata=integer(
            "Tile scales",
            "With 2, a plane is also searched in tiles of twice the side, in which objects appear "
            "half as large, and the better of both counts. It takes a quarter to a half more time.",
            (1, 2),
            advanced=True,
            unset="2 with a finder, else 1",
        ),
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.tile_side is not None and self.tile_overlap is not None:
            TileGrid((1, 1), self.tile_side, self.tile_overlap)

    def applies_to(self, shape: tuple[int, int]) -> bool:
        """Tell if a plane of ``shape`` (H, W) is searched in tiles."""
        return self.tiles == "always" or max(shape) > LARGE_PLANE

    @property
    def is_resolved(self) -> bool:
        """True if nothing is left to be estimated or derived."""
        known = (self.object_size, self.tile_side, self.tile_overlap, self.tile_scales)
        return None not in known

    def resolved(self, params: GeneratorParams) -> Self:
        """Return the parameters with side, overlap and scales that the object size asks for.

        Parameters
        ----------
        params : GeneratorParams
            Parameters of the search of the tiles.

        Raises
        ------
        InputError
            If the size of objects is not known yet, or side and overlap do not fit.
        """
        size = self.object_size
        if size is None:
            raise InputError("The size of objects is not known; give object_size in pixels.")
        side, overlap = self.tile_side, self.tile_overlap
        if side is None:
            wanted = round(FRAME_SIDE * size / searched_size(params) / 8) * 8
            side = min(max(wanted, SMALLEST_TILE), LARGEST_TILE)
            side = max(side, least_side(size, overlap))
        if overlap is None:
            overlap = min(ceil(OVERLAP_SIZES * size), (side - 17) // 2)
        # Only finders expect the IoU of objects of both scales alike.
        scales = self.tile_scales or (2 if isinstance(params, FinderParams) else 1)
        return replace(self, tile_side=side, tile_overlap=overlap, tile_scales=scales)

    def grid(self, shape: tuple[int, int]) -> TileGrid:
        """Return the tiles of a plane of ``shape`` (H, W).

        Raises
        ------
        InputError
            If the parameters are not resolved.
        """
        if self.tile_side is None or self.tile_overlap is None or self.tile_scales is None:
            raise InputError("Side, overlap and scales of the tiles are not known yet.")
        return TileGrid(shape, self.tile_side, self.tile_overlap, self.tile_scales)

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, as recipes store it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Undo :meth:`to_dict`; unknown names are an error."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise InputError(f"Unknown parameters of tiles: {', '.join(sorted(unknown))}.")
        return cls(**values)


def least_side(size: float, overlap: int | None = None) -> int:
    """Return the least side of tiles in pixels for objects of a size.

    Smaller tiles hold few objects beside their overlap, and would be searched many times over.
    """
    return 8 * ceil((overlap or OVERLAP_SIZES * size) / 2)


def searched_size(params: GeneratorParams) -> float:
    """Return the longer side in the frame that objects of tiles have, by how tiles are searched."""
    twice = isinstance(params, FinderParams) and params.views_in_tiles > 1
    return SIZE_IN_TWO_VIEWS if twice else SEARCHED_OBJECT_SIZE


AUTO_TILES = TileParams()
"""Tiles of large planes, with the size of objects estimated; what a new search has by default."""
