"""The adaptive generator: prompt part of a grid, then the points that resemble successful ones.

A grid dense enough for the smallest objects mostly prompts places where nothing is. Every second
point of every second row is prompted first. Another point is prompted only if its image features
resemble those of a point that found something small; large objects are hit by the first points
anyway.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.generators.point_search import CropPrompter, FoundCandidates, PointGenerator
from napari_segany.models.screening import Screen

NEIGHBOURS = 5
"""Number of most similar points of which one has to have found something small."""

SMALL = 0.01
"""Fraction of a crop below which a mask is small: the first points, a quarter of 32 x 32, hit
anything larger two or three times."""

DENSE = 16
"""Points a side below which all are prompted: a quarter of fewer would miss too much."""


def coarse(per_side: int) -> NDArray[np.bool_]:
    """Return a (per_side**2,) mask of the points of a grid that are prompted first, row by row."""
    if per_side < DENSE:
        return np.ones(per_side**2, bool)
    second = np.arange(per_side) % 2 == 1
    both: NDArray[np.bool_] = second[:, None] & second
    return both.ravel()


def found_small(found: MaskSet, points: NDArray[np.float64], area: int) -> NDArray[np.bool_]:
    """Return a (P,) mask of the points that found a mask below ``SMALL`` of ``area`` pixels.

    ``found`` holds the masks that steer, with the points that found them.
    """
    small = found.points[found.area < SMALL * area]
    finders = {(row, col) for row, col in small.tolist()}
    return np.array([(row, col) in finders for row, col in points.tolist()], bool)


def select_points(
    features_at: Callable[[NDArray[np.float64]], NDArray[np.float32]],
    prompted: NDArray[np.float64],
    found: NDArray[np.bool_],
    rest: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Select the remaining points whose image features resemble those of successful points.

    Parameters
    ----------
    features_at : callable
        Returns the (P, C) embedding at (P, 2) points.
    prompted, rest : ndarray
        (A, 2) and (R, 2) points that have, and have not been prompted.
    found : ndarray
        (A,) boolean, true for points that found something small.

    Returns
    -------
    ndarray
        (R,) boolean.
    """
    if len(prompted) < NEIGHBOURS or not len(rest):
        return np.ones(len(rest), bool)
    features = features_at(np.concatenate([prompted, rest])).astype(np.float64)
    # The mean, which all of the plane shares, tells no points apart.
    features -= features.mean(axis=0)
    features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-9
    # Rounded, so that the last bits, which differ from processor to processor, order nothing.
    alike = np.round(features[len(prompted) :] @ features[: len(prompted)].T, 9)
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :NEIGHBOURS]
    return np.asarray(found[nearest].any(axis=1))


@dataclass(frozen=True)
class AdaptiveGenerator(PointGenerator):
    """Generator that prompts a quarter of the points, and then those that promise something."""

    def screen(self, refilter: bool) -> Screen:
        """Return bounds that also keep every mask that steers the search."""
        screen = super().screen(refilter)
        return replace(
            screen,
            pred_iou=min(screen.pred_iou, self.params.steering_pred_iou or float("-inf")),
            stability=min(screen.stability, self.params.steering_stability or float("-inf")),
        )

    def search_crop(self, prompter: CropPrompter) -> FoundCandidates:
        """Return the candidates of the first points of a crop and of those selected by them."""
        crop, params = prompter.crop, self.params
        is_first = coarse(crop.per_side)[crop.numbers]
        first, rest = crop.points[is_first], crop.points[~is_first]
        found = prompter.prompt_points(first)
        if not len(rest):
            return found
        steering = found.masks.filter(
            pred_iou_thresh=params.steering_pred_iou,
            stability_score_thresh=params.steering_stability,
        )
        hits = found_small(steering, first + np.array(crop.box[:2]), crop.area)
        worth = select_points(prompter.embedded.features_at, first, hits, rest)
        more = prompter.prompt_points(rest[worth])
        prompter.skip_points(int(np.count_nonzero(~worth)))
        return FoundCandidates.concatenate([found, more])
