"""Joining of the candidates of all tiles of a plane into one set that can be filtered again.

Each tile chooses among its candidates as a plane by itself would. Those that a border cuts are left
out then. Of masks of several tiles that mean the same object one is kept: that of the tile which
owns it, see :meth:`TileGrid.owners`. Of masks from two levels that both cover the plane, each owned
by its tile, the better one is kept, where that of the coarser level must be clearly better.
Objects that are longer than the overlap are cut in every tile of their level, and are taken from
tiles of the next level, which are twice as large.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.mask_classes import MaskClasses, join_classes
from napari_segany.core.mask_shape import Solidities, touches_border
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps, dropped_by_rivals, iou_of_pairs
from napari_segany.core.tiles import TileGrid
from napari_segany.generators.candidates import StoredCandidates, clean_regions
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.tiles.find_tile import check_rules
from napari_segany.generators.tiles.tile_candidates import TileCandidates, cut_margin
from napari_segany.models.screening import Screen, SparseEstimate

SAME_OBJECT = 0.5
"""IoU from which masks of two tiles mean the same object."""

PART_OF = 0.5
"""Part of a cut mask that a mask of larger tiles must cover to be the whole object."""

COARSER = 0.8
"""Factor on the score of masks of coarser tiles that cover the plane, where masks of tiles meet.

Coarser tiles find some objects that the finest ones miss, but where both see an object, more is
expected of the coarser mask than it holds.
Chosen on training images, see record 40 of the documentation.
"""

IN_MEMORY = 2**27
"""Bytes of masks that are kept in memory; more of them are kept in a temporary file."""


Rule = tuple[str, float]
"""Measure of overlap, and the bound on it."""


@dataclass(frozen=True, eq=False)
class RivalPairs:
    """Pairs of candidates that overlap too much.

    Attributes
    ----------
    one, two : ndarray
        (P,) numbers of the candidates.
    """

    one: NDArray[np.int64]
    two: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "RivalPairs":
        return RivalPairs(self.one[chosen], self.two[chosen])

    def among(self, which: NDArray[np.bool_]) -> "RivalPairs":
        """Return the pairs of which both are among ``which``."""
        return self[which[self.one] & which[self.two]]

    def same(self, values: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return (P,) true for pairs with equal ``values``."""
        equal: NDArray[np.bool_] = values[self.one] == values[self.two]
        return equal if equal.ndim == 1 else np.logical_and.reduce(equal, axis=1)


@dataclass(frozen=True, eq=False)
class TiledCandidates(StoredCandidates):
    """K candidate masks of a plane that was searched in tiles, level by level, tile by tile.

    Attributes
    ----------
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
    levels : int
        Levels of tiles that cover the plane; those above hold the objects that these cut.
    classes : MaskClasses or None
        Classes that the masks are sorted into, None where they are not.
    rivals : dict
        Pairs that rules for overlap do not let pass together, remembered by the rule.
    """

    tile: NDArray[np.int64]
    level: NDArray[np.int64]
    cut: NDArray[np.bool_]
    owned: NDArray[np.bool_]
    too_long: NDArray[np.bool_]
    levels: int = 1
    classes: MaskClasses | None = None
    rivals: dict[Rule, "RivalPairs"] = field(default_factory=dict)

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
            params,
            screen,
            Overlaps(masks.boxes, masks.area, masks.count_shared),
            Solidities(masks),
            number + np.array(before)[level],
            level,
            cut,
            owned,
            too_long,
            len(grid.covering),
            join_classes((part.classes, len(part)) for part in found),
        )

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
        found = found if keep.all() else found[keep]
        if self.classes is not None:
            found = replace(found, classes=self.classes[found.candidate])
        return found.with_candidates(self)

    def _join(self, passing: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the numbers of the candidates that are objects, best first."""
        scores, params = self.masks.best_first, self.params
        rivals = self._rivals((params.nms, params.box_nms_thresh))
        # Each tile by itself, first between masks of one crop and then between its crops.
        within = rivals.among(passing)
        within = within[within.same(self.tile)]
        crops = self.masks.crop_boxes
        same_crop = within.same(crops)
        left = passing & ~_dropped(scores, within[same_crop])
        if not same_crop.all():
            sides = crops[:, 2:] - crops[:, :2]
            between = within[~same_crop].among(left)
            left &= ~_dropped(1 / sides.prod(axis=1), between)
        left = self._whole_objects(left)
        same = self._rivals(("mask", SAME_OBJECT)).among(left)
        same = same[~same.same(self.tile)]
        others = rivals.among(left)
        others = others[~others.same(self.tile)]
        pairs = RivalPairs(
            np.concatenate([others.one, same.one]), np.concatenate([others.two, same.two])
        )
        # Owned masks come first, then those that another tile sees, too, but owns neither.
        agreed = np.zeros(len(left), bool)
        agreed[same.one] = agreed[same.two] = True
        able = left & (self.owned | agreed)
        coarser = (self.level > 0) & (self.level < self.levels)
        across = scores * np.where(coarser, np.float32(COARSER), np.float32(1))
        order = across + np.where(self.owned, np.float32(4), np.float32(0))
        kept = able & ~_dropped(order, pairs.among(able))
        kept |= self._replacements(left & ~able, able & ~kept, kept, pairs, across)
        chosen = np.flatnonzero(kept)
        return chosen[np.argsort(-scores[chosen], kind="stable")]

    def _rivals(self, rule: Rule) -> RivalPairs:
        """Return all pairs that a rule for overlap does not let pass together."""
        if rule not in self.rivals:
            nms, threshold = rule
            one, two = self.overlaps.pairs
            if nms == "box":
                boxes = self.masks.inclusive_boxes.astype(np.float64)
                number = np.flatnonzero(iou_of_pairs(boxes[one], boxes[two]) > threshold)
            else:
                number = self.overlaps.above(threshold, nms == "smaller")
            self.rivals[rule] = RivalPairs(one[number], two[number])
        return self.rivals[rule]

    def _whole_objects(self, left: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the masks that no border cuts; of larger tiles those of objects that were cut.

        Larger are those above the levels that cover the plane.
        """
        whole = left & ~self.cut
        parts = left & self.cut & self.too_long
        one, two = self.overlaps.pairs
        for level in range(self.levels, int(self.level.max(initial=0)) + 1):
            here = self.level == level
            able, below = left & here, parts & (self.level == level - 1)
            number = np.flatnonzero((below[one] & able[two]) | (below[two] & able[one]))
            second = here[two[number]]
            small = np.where(second, one[number], two[number])
            large = np.where(second, two[number], one[number])
            covering = self.overlaps.shared(number) >= PART_OF * self.masks.area[small]
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
        pairs: RivalPairs,
        scores: NDArray[np.floating],
    ) -> NDArray[np.bool_]:
        """Return masks of other tiles where a tile's own mask gave way to a part of its object."""
        beside_dropped, beside_kept = np.zeros(len(kept), bool), np.zeros(len(kept), bool)
        for a, b in ((pairs.one, pairs.two), (pairs.two, pairs.one)):
            beside_dropped[a[dropped[b]]] = True
            beside_kept[a[kept[b]]] = True
        able = others & beside_dropped & ~beside_kept
        found: NDArray[np.bool_] = able & ~_dropped(scores, pairs.among(able))
        return found


def _dropped(scores: NDArray[np.floating], pairs: RivalPairs) -> NDArray[np.bool_]:
    return dropped_by_rivals(scores, pairs.one, pairs.two)


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
    """Return the numbers of the tiles of a level that are searched.

    A level that covers the plane has all of its tiles, one above those that objects need which the
    level before cuts.

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
    if level < len(grid.covering):
        return tuple(range(len(own)))
    needed: set[int] = set()
    for part in parts:
        if part.level == level - 1 and len(part):
            boxes = part.masks.boxes
            for box in boxes[before.most_room(boxes) <= cut_margin(before)].tolist():
                needed.update(own.reaching(tuple(box)))
    return tuple(sorted(needed))
