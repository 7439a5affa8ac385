"""Candidates of one tile, in the plane, and as bytes for files and other processes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core import mask_io
from napari_segany.core.mask_classes import MaskClasses
from napari_segany.core.mask_placing import place_on_plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.stored_arrays import from_stored, to_stored
from napari_segany.core.tiles import TileGrid
from napari_segany.generators.candidates import Candidates
from napari_segany.models.screening import Screen, SparseEstimate

CUT_FRACTION = 1 / 128
"""Part of a tile's side within which a mask counts as cut by the tile's border."""

LEAST_CUT = 2
"""The same in pixels, at least."""

SORTED = "sorted_"
"""Beginning of the names of arrays with the classes that objects are sorted into."""


def cut_margin(grid: TileGrid) -> float:
    """Return the distance in pixels up to which a mask counts as cut by a tile's border."""
    return max(float(LEAST_CUT), grid.side * CUT_FRACTION)


@dataclass(frozen=True, eq=False)
class TileCandidates:
    """Everything that was found in one tile.

    Attributes
    ----------
    level : int
        0 for the tiles of the object size, 1 for those of twice the side, and so on.
    number : int
        Number of the tile in the grid of its level.
    masks : MaskSet
        All candidates, in pixels of the plane and in the order of the generator, also those that a
        border of the tile cuts.
    estimate : SparseEstimate
        Bounds that were known before the masks were computed.
    stored : Screen
        The loosest bounds that candidates were kept for.
    classes : MaskClasses or None
        Classes that objects are sorted into, if they are. They decide nothing about which
        candidates become objects, unlike the classes of ``masks``, which phrases have found.
    """

    level: int
    number: int
    masks: MaskSet
    estimate: SparseEstimate
    stored: Screen
    classes: MaskClasses | None = None

    @classmethod
    def empty(
        cls, shape: tuple[int, int], level: int, number: int, stored: Screen
    ) -> "TileCandidates":
        """Return no candidates of a tile of a plane of ``shape`` (H, W)."""
        return cls(level, number, MaskSet.empty(shape), SparseEstimate.nothing(0), stored)

    @classmethod
    def of(
        cls,
        found: MaskSet,
        grid: TileGrid,
        level: int,
        number: int,
        classify: "Callable[[MaskSet], MaskClasses] | None" = None,
    ) -> "TileCandidates":
        """Place what a generator found in a tile on the plane.

        Parameters
        ----------
        found : MaskSet
            Result of the generator, in pixels of the tile.
        grid : TileGrid
            Tiles of the level.
        level, number : int
            The tile.
        classify : callable, optional
            Returns the classes of masks in pixels of the tile, none of them empty.
        """
        kept = found.refilterable
        if isinstance(kept, Candidates):
            masks, estimate, stored = kept.masks, kept.estimate, kept.stored
        else:
            masks, estimate = found, SparseEstimate.nothing(len(found))
            stored = Screen(float("-inf"), float("-inf"), 1.0, 1.0)
        top, left, *_ = grid.tile(number).box
        seen = masks.area > 0
        classes = None if classify is None else classify(masks[seen])
        placed = place_on_plane(masks, (top, left), grid.shape)
        return cls(level, number, placed, estimate[seen], stored, classes)

    def __len__(self) -> int:
        return len(self.masks)

    def to_bytes(self) -> bytes:
        """Return the candidates as the bytes of an uncompressed archive of arrays."""
        stored = self.stored
        arrays: dict[str, NDArray[np.generic]] = {
            **mask_io.pack(self.masks),
            "tile": np.array([self.level, self.number], np.int64),
            "stability_at_most": self.estimate.stability_at_most,
            "area_at_least": self.estimate.area_at_least,
            "stored": np.array(
                [stored.pred_iou, stored.stability, stored.max_area, stored.offset, stored.sparse],
                np.float64,
            ),
        }
        if self.classes is not None:
            arrays |= {f"{SORTED}{name}": each for name, each in self.classes.to_arrays().items()}
        return to_stored(arrays, compressed=False)

    @classmethod
    def from_bytes(cls, content: bytes) -> "TileCandidates":
        """Undo :meth:`to_bytes`.

        Raises
        ------
        SeganyError
            If the bytes are incomplete.
        """
        with from_stored(content) as archive:
            arrays: Mapping[str, NDArray[Any]] = dict(archive.items())
            level, number = arrays["tile"].tolist()
            pred_iou, stability, max_area, offset, sparse = arrays["stored"].tolist()
            estimate = SparseEstimate(arrays["stability_at_most"], arrays["area_at_least"])
            masks = mask_io.unpack(arrays)
            own = {n.removeprefix(SORTED): v for n, v in arrays.items() if n.startswith(SORTED)}
            classes = MaskClasses.from_arrays(own)
        stored = Screen(pred_iou, stability, max_area, offset, bool(sparse))
        return cls(level, number, masks, estimate, stored, classes)
