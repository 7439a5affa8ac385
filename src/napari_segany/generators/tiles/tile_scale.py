"""The scale of tiles, chosen by what windows of several sides make of the same part of a plane.

Objects of one size are not seen best at one scale in all kinds of images: stained tissue is often
better enlarged, and some nuclei inside cells are better reduced, as cells are taken for objects
otherwise. The predicted IoU of the objects that are found in a part of the plane, summed up, is
what a search expects to find there. It is compared between pairs of windows of which one lies in
the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_segany.core.masks import MaskSet
from napari_segany.core.tiles import Box

BETTER = 1.2
"""Ratio of the sums from which another side is taken than the one that the size asks for."""

CUT = 2
"""Pixels from the border of a window up to which an object may be cut by it."""


@dataclass(frozen=True, eq=False)
class Look:
    """Objects that were found in one window of a plane.

    Attributes
    ----------
    place : int
        Number of the place that the window lies around.
    side : int
        Side of the window in pixels.
    window : tuple of int
        Half-open row_min, col_min, row_max, col_max of the window in pixels of the plane.
    objects : MaskSet
        The objects, in pixels of the plane.
    """

    place: int
    side: int
    window: Box
    objects: MaskSet


def expected_in(look: Look, window: Box) -> float:
    """Return the sum of the expected IoU of the objects of a look that lie within a window."""
    boxes = look.objects.boxes
    inside = (boxes[:, :2] >= np.array(window[:2]) + CUT).all(axis=1)
    inside &= (boxes[:, 2:] <= np.array(window[2:]) - CUT).all(axis=1)
    return float(look.objects.predicted_iou[inside].sum())


def compare_sides(looks: Iterable[Look]) -> dict[int, float]:
    """Return how much each side of windows shows, as a logarithm against the smallest side.

    Two sides that follow each other are compared by the sums of expected IoU over the objects that
    lie within the smaller windows, with 1 added to both, so that few objects decide little.

    Parameters
    ----------
    looks : iterable of Look
        Windows of all sides around the same places, the smaller within the larger.
    """
    by_place: dict[tuple[int, int], Look] = {(each.place, each.side): each for each in looks}
    sides = sorted({side for _, side in by_place})
    curve, level = dict.fromkeys(sides[:1], 0.0), 0.0
    for small, large in pairwise(sides):
        sums = np.ones(2)
        for (place, side), look in by_place.items():
            other = by_place.get((place, large))
            if side == small and other is not None:
                sums += expected_in(look, look.window), expected_in(other, look.window)
        level += float(np.log(sums[1] / sums[0]))
        curve[large] = level
    return curve


def choose_side(curve: dict[int, float], usual: int, least: int = 1) -> int:
    """Return the side of tiles: the usual one, or one at which clearly more is expected.

    Parameters
    ----------
    curve : dict
        Result of :func:`compare_sides`. What a side shows that is not in it lies between those of
        the sides beside it.
    usual : int
        Side that the size of objects asks for.
    least : int
        Least side in pixels; smaller ones count as this one.
    """
    if not curve:
        return usual
    known = np.log2(list(curve))
    sides = np.unique([usual, *(max(side, least) for side in curve)])
    levels = np.interp(np.log2(sides), known, list(curve.values()))
    best = int(np.argmax(levels))
    here = float(levels[sides == usual][0])
    return int(sides[best]) if levels[best] > here + np.log(BETTER) else usual
