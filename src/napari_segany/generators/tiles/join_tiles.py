"""Joining of the candidates of all tiles of a plane into one set that can be filtered again.

Each tile chooses among its candidates as a plane by itself would. Those that a border cuts are left
out then. Of masks of several tiles that mean the same object one is kept: that of the tile which
owns it, see :meth:`TileGrid.owners`. Objects that are longer than the overlap are cut in every tile
of their level, and are taken from tiles of the next level, which are twice as large.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.mask_shape import Solidities, touches_border
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps, iou_of_pairs, suppress
from napari_segany.core.tiles import TileGrid
from napari_segany.generators.candidates import check_stored, clean_regions
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.tiles.find_tile import check_rules
from napari_segany.generators.tiles.tile_candidates import TileCandidates, cut_margin
from napari_segany.models.screening import Screen, SparseEstimate

SAME_OBJECT = 0.5
"""IoU from which masks of two tiles mean the same object."""

PART_OF = 0.5
"""Part of a cut mask that a mask of larger tiles must cover to be the whole object."""

IN_MEMORY = 2**27
"""Bytes of masks that are kept in memory; more of them are kept in a temporary file."""


@dataclass(frozen=True, eq=False)
class TiledCandidates:
    """K candidate masks of a plane that was searched in tiles.

    Attributes
    ----------
    masks : MaskSet
        All candidates, level by level, tile by tile.
    estimate : SparseEstimate
        Bounds that were known before the masks were computed.
    tile : ndarray
        (K,) int64, number of the tile of each, counted over all levels.
    level : ndarray
        (K,) int64.
    cut : ndarray
        (K,) true for masks that a border of their tile cuts.
    owned : ndarray
        (K,) true for masks that their own tile owns.
    too_long : ndarray
        (K,) true for cut masks that no tile of the level sees whole.
    params : FilterRules
        With thresholds filled in; the rules of :meth:`select`.
    stored : Screen
        The loosest bounds that can be chosen.
    overlaps : Overlaps
        Overlaps of the masks, remembered from one choice to the next.
    solidities : Solidities
        Solidity of the masks, remembered as well.
    """

    masks: MaskSet
    estimate: SparseEstimate
    tile: NDArray[np.int64]
    level: NDArray[np.int64]
    cut: NDArray[np.bool_]
    owned: NDArray[np.bool_]
    too_long: NDArray[np.bool_]
    params: FilterRules
    stored: Screen
    overlaps: Overlaps
    solidities: Solidities

    @classmethod
    def of(
        cls, grid: TileGrid, parts: Iterable[TileCandidates], params: FilterRules
    ) -> "TiledCandidates":
        """Return the candidates of tiles, in any order, as those of one plane."""
        found = sorted(parts, key=lambda part: (part.level, part.number))
        grids, before = [grid], [0]
        for _ in range(max((part.level for part in found), default=0)):
            coarser = grids[-1].coarser()
            assert coarser is not None, "there is a tile of this level"
            before.append(before[-1] + len(grids[-1]))
            grids.append(coarser)
        masks = MaskSet.concatenate([MaskSet.empty(grid.shape), *(part.masks for part in found)])
        if (masks.boxes[:, 2:] - masks.boxes[:, :2]).prod(axis=1).sum() // 8 > IN_MEMORY:
            masks = masks.on_disk()
        masks = replace(masks, candidate=np.arange(len(masks), dtype=np.int64))
        counts = [len(part) for part in found]
        number = np.repeat(np.array([part.number for part in found], np.int64), counts)
        level = np.repeat(np.array([part.level for part in found], np.int64), counts)
        cut, owned = np.zeros(len(masks), bool), np.zeros(len(masks), bool)
        too_long = np.zeros(len(masks), bool)
        starts = np.cumsum([0, *counts])
        for part, start, end in zip(found, starts[:-1], starts[1:], strict=True):
            own = grids[part.level]
            boxes, margin = part.masks.boxes, cut_margin(own)
            cut[start:end] = own.room(part.number, boxes) <= margin
            owned[start:end] = own.owners(boxes) == part.number
            too_long[start:end] = own.most_room(boxes) <= margin
        stored = [part.stored for part in found if len(part)]
        screen = Screen(
            max((each.pred_iou for each in stored), default=float("-inf")),
            max((each.stability for each in stored), default=float("-inf")),
            1.0,
            params.stability_score_offset,
        )
        none = SparseEstimate.nothing(0)
        estimates = [none, *(part.estimate for part in found)]
        return cls(
            masks,
            SparseEstimate(
                np.concatenate([each.stability_at_most for each in estimates]),
                np.concatenate([each.area_at_least for each in estimates]),
            ),
            number + np.array(before)[level],
            level,
            cut,
            owned,
            too_long,
            params,
            screen,
            Overlaps(masks.boxes, masks.area, masks.count_shared),
            Solidities(masks),
        )

    @property
    def _pixels(self) -> int:
        return self.masks.shape[0] * self.masks.shape[1]

    @property
    def loosest(self) -> tuple[float, float]:
        """Predicted IoU and stability below which nothing was kept."""
        return max(float(self.stored.pred_iou), 0.0), max(float(self.stored.stability), 0.0)

    def filtered(
        self, max_area: int | None = None, nms_thresh: float | None = None, **given: Any
    ) -> MaskSet:
        """Choose with some parameters changed; None leaves one as it was.

        Raises
        ------
        InputError
            If a bound is looser than what was stored; the message names both.
        """
        given["box_nms_thresh"] = nms_thresh
        changes = {name: value for name, value in given.items() if value is not None}
        params = self.params.with_rules(**changes)
        if max_area is not None:
            params = params.with_largest(max_area, self._pixels)
        check_stored(params, self.stored, self._pixels)
        return replace(self, params=params).select()

    def select(self) -> MaskSet:
        """Return the objects that pass ``params``, best first."""
        params, masks = self.params, self.masks
        max_area = params.largest(self._pixels)
        passing = (
            (masks.predicted_iou > params.pred_iou_floor)
            & (masks.stability_score >= params.stability_floor)
            & self.estimate.passes(params.stability_floor, np.inf)
            & (masks.area <= max_area)
        )
        if params.exclude_border:
            passing &= ~touches_border(masks.boxes, masks.shape)
        if params.min_solidity > 0:
            chosen = np.flatnonzero(passing & ~self.cut)
            passing[chosen] = self.solidities.of(chosen) >= params.min_solidity
        found = replace(masks[(chosen := self._join(passing))], candidate=chosen)
        if params.min_mask_region_area > 0:
            found = clean_regions(found, params)
        keep = (found.area >= max(params.min_area or 0, 1)) & (found.area <= max_area)
        return found[keep].with_candidates(self)

    def _join(self, passing: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the numbers of the candidates that are objects, best first."""
        scores = self.masks.best_first
        one, two = self.overlaps.pairs
        both = passing[one] & passing[two]
        same_tile = self.tile[one] == self.tile[two]
        # Each tile by itself, first between masks of one crop and then between its crops.
        rivals = self._rivals(both & same_tile)
        crops = self.masks.crop_boxes
        same_crop = (crops[one[rivals]] == crops[two[rivals]]).all(axis=1)
        left = self._suppress(passing, scores, rivals[same_crop])
        if not same_crop.all():
            sides = crops[:, 2:] - crops[:, :2]
            between = rivals[~same_crop]
            between = between[left[one[between]] & left[two[between]]]
            left = self._suppress(left, 1 / sides.prod(axis=1), between)
        left = self._whole_objects(left, one, two)
        # Owned masks come first, then those that another tile sees, too, but owns neither.
        both = left[one] & left[two] & ~same_tile
        same = self.overlaps.above(SAME_OBJECT, among=both)
        rivals = np.union1d(self._rivals(both), same)
        agreed = np.zeros(len(left), bool)
        agreed[one[same]] = agreed[two[same]] = True
        able = left & (self.owned | agreed)
        order = scores + np.where(self.owned, np.float32(4), np.float32(0))
        within = able[one[rivals]] & able[two[rivals]]
        kept = self._suppress(able, order, rivals[within])
        kept |= self._replacements(left & ~able, able & ~kept, kept, rivals, scores)
        chosen = np.flatnonzero(kept)
        return chosen[np.argsort(-scores[chosen], kind="stable")]

    def _rivals(self, among: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the numbers of pairs that the rules for overlap do not let pass together."""
        params = self.params
        if params.nms != "box":
            return self.overlaps.above(params.box_nms_thresh, params.nms == "smaller", among)
        which = np.flatnonzero(among)
        one, two = (each[which] for each in self.overlaps.pairs)
        boxes = self.masks.inclusive_boxes.astype(np.float64)
        return which[iou_of_pairs(boxes[one], boxes[two]) > params.box_nms_thresh]

    def _suppress(
        self,
        among: NDArray[np.bool_],
        scores: NDArray[np.floating],
        rivals: NDArray[np.intp],
    ) -> NDArray[np.bool_]:
        """Return (K,) true for those of ``among`` that no better rival excludes."""
        which = np.flatnonzero(among)
        place = np.full(len(among), -1, np.intp)
        place[which] = np.arange(len(which))
        one, two = (place[each[rivals]] for each in self.overlaps.pairs)
        kept = np.zeros(len(among), bool)
        kept[which[suppress(scores[which], one, two)]] = True
        return kept

    def _whole_objects(
        self, left: NDArray[np.bool_], one: NDArray[np.int64], two: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return the masks that no border cuts; of larger tiles those of objects that were cut."""
        whole = left & ~self.cut
        parts = left & self.cut & self.too_long
        for level in range(1, int(self.level.max(initial=0)) + 1):
            here = self.level == level
            pairs = np.flatnonzero(
                (parts[one] & (self.level[one] == level - 1) & left[two] & here[two])
                | (parts[two] & (self.level[two] == level - 1) & left[one] & here[one])
            )
            small = np.where(here[two[pairs]], one[pairs], two[pairs])
            large = np.where(here[two[pairs]], two[pairs], one[pairs])
            shared = self.overlaps.shared(pairs)
            covering = shared >= PART_OF * self.masks.area[small]
            asked_for = np.zeros(len(left), bool)
            asked_for[large[covering]] = True
            whole &= ~here | asked_for
            parts &= ~here | asked_for
        return whole

    def _replacements(
        self,
        others: NDArray[np.bool_],
        dropped: NDArray[np.bool_],
        kept: NDArray[np.bool_],
        rivals: NDArray[np.intp],
        scores: NDArray[np.floating],
    ) -> NDArray[np.bool_]:
        """Return masks of other tiles where a tile's own mask gave way to a part of its object."""
        one, two = (each[rivals] for each in self.overlaps.pairs)
        beside_dropped, beside_kept = np.zeros(len(kept), bool), np.zeros(len(kept), bool)
        for a, b in ((one, two), (two, one)):
            beside_dropped[a[dropped[b]]] = True
            beside_kept[a[kept[b]]] = True
        able = others & beside_dropped & ~beside_kept
        return self._suppress(able, scores, rivals[able[one] & able[two]])


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
        Best first; :meth:`MaskSet.filter` chooses again among all candidates. An object at a
        border is taken from the tile that sees it whole, and one that several tiles see is there
        once.
    """
    return TiledCandidates.of(grid, parts, check_rules(params)).select()


def larger_tiles(grid: TileGrid, parts: Iterable[TileCandidates], level: int) -> tuple[int, ...]:
    """Return the numbers of the tiles of a level that objects need which the level before cuts.

    Parameters
    ----------
    grid : TileGrid
        Tiles of level 0.
    parts : iterable of TileCandidates
        Results of the level before; those of other levels are passed over.
    level : int
        From 1 on.
    """
    before: TileGrid | None = grid
    for _ in range(level - 1):
        before = None if before is None else before.coarser()
    own = None if before is None else before.coarser()
    if before is None or own is None:
        return ()
    needed: set[int] = set()
    for part in parts:
        if part.level == level - 1 and len(part):
            boxes = part.masks.boxes
            for box in boxes[before.most_room(boxes) <= cut_margin(before)].tolist():
                needed.update(own.reaching(tuple(box)))
    return tuple(sorted(needed))
