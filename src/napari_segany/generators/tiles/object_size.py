"""Estimate of the size of objects and of the scale, from a first search of a few windows."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.mask_placing import place_on_plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps, mask_nms
from napari_segany.core.tiles import Box
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import generate_masks
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.tile_params import SMALLEST_TILE, TileParams, least_side
from napari_segany.generators.tiles.find_tile import check_rules, is_blank, params_in_tile
from napari_segany.generators.tiles.search_tiles import ReadWindow
from napari_segany.generators.tiles.tile_scale import Look, choose_side, compare_sides
from napari_segany.models.object_size import FRAME_SIDE, SEARCHED_OBJECT_SIZE
from napari_segany.models.protocol import PromptableModel

PLACES = 2
"""Places of the plane that are looked at."""

LARGEST_WINDOW = 4096
"""Side of the largest window that is searched, in pixels."""

SAMPLES, SAMPLE_SIDE = 8, 128
"""Windows a side, and their side in pixels, of which those with the most contrast are looked at."""

SEEN = (12.0, 512.0)
"""Lengths in pixels of the frame between which an object of a window counts."""

OVERLAP = 0.3
"""Part of the smaller of two objects that both may share; the better one counts."""

GROUP = 2.0
"""Ratio of the summed scores of objects to that of a larger one around them above which that one is
a group of them. Two parts of an object never exceed it if each is worth no more than it."""


@dataclass(frozen=True)
class SizeEstimate:
    """The estimated size of the objects of a plane.

    Attributes
    ----------
    size : float
        Median length in pixels, in which objects of small windows count more; a length is the
        longer side of an object's box.
    objects : int
        Objects that were measured; 0 if none was found, and the size is a guess.
    side : int or None
        Side of tiles in pixels at which clearly more is expected to be found than at the side that
        the size asks for; None where there is no such side.
    usual_side : int or None
        The side that the size asks for, if ``side`` is another.
    """

    size: float
    objects: int
    side: int | None = None
    usual_side: int | None = None

    def tile_ratio(self, overlap: int) -> float:
        """Return how many tiles ``side`` needs for each tile of the usual side; 1 without a side.

        Parameters
        ----------
        overlap : int
            Overlap of the tiles in pixels.
        """
        if self.side is None or self.usual_side is None:
            return 1.0
        return ((self.usual_side - overlap) / (self.side - overlap)) ** 2


def estimate_object_size(
    model: PromptableModel,
    read: ReadWindow,
    shape: tuple[int, int],
    params: GeneratorParams,
    should_stop: ShouldStop | None = None,
) -> SizeEstimate:
    """Search windows of several sides around a few places, and measure what scores best.

    Which scale shows the objects best is compared as :mod:`.tile_scale` says.

    Parameters
    ----------
    model : PromptableModel
        The model that answers prompts.
    read : callable
        Reads a window of the plane.
    shape : tuple of int
        (H, W) of the plane.
    params : GeneratorParams
        Parameters of the search with everything filled in.
    should_stop : callable, optional
        Polled as by :func:`generate_masks`.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True.
    """
    rules = params_in_tile(check_rules(params))
    if isinstance(rules, FinderParams):
        # One view tells the size as well, and what is chosen by it was measured so.
        rules = replace(rules, views=1, outlines="better")
    places = _places(read, shape)

    def look(side: int) -> list[Look]:
        """Search windows of one side around all places."""
        found = []
        for number, place in enumerate(places):
            check(should_stop)
            box = _around(place, side, shape)
            window = read(box)
            if is_blank(window):
                continue
            masks = generate_masks(model, window, rules, should_stop=should_stop, refilter=False)
            scale = FRAME_SIDE / max(window.shape[:2])
            found.append(Look(number, side, box, _measured(masks, box, shape, scale)))
        return found

    looks = [each for side in _sides(shape) for each in look(side)]
    lengths, weights = _population(looks)
    if not len(lengths):
        return SizeEstimate(SEARCHED_OBJECT_SIZE, 0)
    median = np.quantile(lengths, 0.5, weights=weights, method="inverted_cdf")
    size = round(float(median), 1)
    # Only finders expect the IoU of objects of all kinds alike.
    if not isinstance(rules, FinderParams):
        return SizeEstimate(size, len(lengths))
    usual = TileParams(object_size=size).resolved(params).tile_side
    assert usual is not None, "the size is known"
    side = _better_side(looks, look, usual, least_side(size))
    if side == usual:
        return SizeEstimate(size, len(lengths))
    return SizeEstimate(size, len(lengths), side, usual)


def _population(looks: list[Look]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lengths of the objects of windows, and their weights.

    Of overlapping objects around a place the best one counts, but for groups. A large window holds
    large objects of a wide area and misses the small ones, which only small windows show. So an
    object counts in inverse proportion to the area of the window that shows it best. That is no
    exact density, since most objects are seen in several windows: it was nearest to the labels.
    """
    lengths, weights = [np.zeros(0)], [np.zeros(0)]
    for place in sorted({each.place for each in looks}):
        here = [each for each in looks if each.place == place]
        objects = MaskSet.concatenate([each.objects for each in here])
        overlaps = Overlaps(objects.boxes, objects.area, objects.count_shared)
        single = _not_groups(overlaps, objects.best_first)
        scores = objects.best_first[single]
        kept = single[mask_nms(overlaps, scores, OVERLAP, single, smaller=True)]
        density = [1 / _area(each.window) for each in here]
        lengths.append(_lengths(objects[kept]))
        weights.append(np.repeat(density, [len(each.objects) for each in here])[kept])
    return np.concatenate(lengths), np.concatenate(weights)


def _not_groups(overlaps: Overlaps, scores: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the positions of objects that are no group of smaller ones.

    A window that is too large for small objects may show only how they lie together, clearly.
    """
    sharing = overlaps.above(OVERLAP, smaller=True)
    one, two = (each[sharing] for each in overlaps.pairs)
    one_is_smaller = overlaps.areas[one] <= overlaps.areas[two]
    small, large = np.where(one_is_smaller, one, two), np.where(one_is_smaller, two, one)
    alone = np.ones(len(scores), bool)
    candidates = np.flatnonzero(np.bincount(large, minlength=len(scores)) > 1)
    # From small to large: a group of groups is compared with what these are made of.
    for outer in candidates[np.argsort(overlaps.areas[candidates], kind="stable")]:
        inner = small[large == outer]
        inner = inner[alone[inner]]
        best = mask_nms(overlaps, scores[inner], OVERLAP, inner, smaller=True)
        alone[outer] = not scores[inner][best].sum() > GROUP * scores[outer]
    return np.flatnonzero(alone)


def _better_side(
    looks: list[Look], look: Callable[[int], list[Look]], usual: int, least: int
) -> int:
    """Return the side of tiles that shows clearly more than the usual one, or that one."""
    curve = compare_sides(looks)
    if usual not in curve and choose_side(curve, usual, least) != usual:
        # What the usual side shows was a guess from its neighbours.
        curve = compare_sides([*looks, *look(usual)])
    return choose_side(curve, usual, least)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _lengths(masks: MaskSet) -> NDArray[np.float64]:
    sides = masks.boxes[:, 2:] - masks.boxes[:, :2]
    lengths: NDArray[np.float64] = sides.max(axis=1, initial=0).astype(np.float64)
    return lengths


def _measured(found: MaskSet, box: Box, shape: tuple[int, int], scale: float) -> MaskSet:
    """Return the objects of a window that are seen whole and clearly, on the plane."""
    lengths = _lengths(found) * scale
    keep = (lengths >= SEEN[0]) & (lengths <= SEEN[1]) & (found.area > 0)
    for axis in (0, 1):
        keep &= (found.boxes[:, axis] > 2) | (box[axis] == 0)
        end = box[axis + 2] - box[axis]
        keep &= (found.boxes[:, axis + 2] < end - 2) | (box[axis + 2] == shape[axis])
    return place_on_plane(found[keep], (box[0], box[1]), shape)


def _sides(shape: tuple[int, int]) -> list[int]:
    """Return the sides of windows, each twice the one before, up to the plane's longer side."""
    sides = [SMALLEST_TILE]
    while sides[-1] < min(max(shape), LARGEST_WINDOW):
        sides.append(2 * sides[-1])
    return sides


def _around(place: tuple[int, int], side: int, shape: tuple[int, int]) -> Box:
    """Return a window around a place, moved into the plane."""
    starts = [
        max(min(at - side // 2, length - side), 0) for at, length in zip(place, shape, strict=True)
    ]
    # Packed masks can be moved by multiples of eight pixels as they are.
    top, left = starts[0], starts[1] // 8 * 8
    return top, left, min(top + side, shape[0]), min(left + side, shape[1])


def _places(read: ReadWindow, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the centres of windows with the most contrast, in different parts of the plane."""
    steps = [min(SAMPLES, max(length // SAMPLE_SIDE, 1)) for length in shape]
    found = []
    for row in range(steps[0]):
        for col in range(steps[1]):
            centre = (
                (2 * row + 1) * shape[0] // (2 * steps[0]),
                (2 * col + 1) * shape[1] // (2 * steps[1]),
            )
            window = read(_around(centre, SAMPLE_SIDE, shape))
            found.append((float(window.mean(axis=2).std()), centre))
    # The places with median and with most contrast: noise, dirt and empty glass are no measure.
    found.sort(key=lambda each: (-each[0], each[1]))
    best = found[: max(len(found) // 2, 1)]
    return [
        best[i * (len(best) - 1) // max(PLACES - 1, 1)][1] for i in range(min(PLACES, len(best)))
    ]
