"""Which points of a grid are worth asking, told from those that have been asked.

A grid dense enough for the smallest objects asks mostly in places where nothing is. Every second
point of every second row is asked first. Another point is asked only if it looks, to the image
encoder, like one that found something small; large objects are hit by the first points anyway.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet

NEIGHBOURS = 5
"""Points that look most alike; one of them that found something small is enough."""

SMALL = 0.01
"""Fraction of a crop below which a mask is small: the first points, a quarter of 32 x 32, hit
anything larger two or three times."""


DENSE = 16
"""Points a side below which all are asked: a quarter of fewer would miss too much to learn from."""


def coarse(per_side: int) -> NDArray[np.bool_]:
    """(per_side**2,) the points of a grid that are asked first, row by row."""
    if per_side < DENSE:
        return np.ones(per_side**2, bool)
    second = np.arange(per_side) % 2 == 1
    both: NDArray[np.bool_] = second[:, None] & second
    return both.ravel()


def found_small(found: MaskSet, points: NDArray[np.float64], area: int) -> NDArray[np.bool_]:
    """Which of (P, 2) points found a mask below ``SMALL`` of ``area`` pixels.

    ``found`` holds the masks that steer, with the points that found them.
    """
    small = found.points[found.area < SMALL * area]
    finders = {(row, col) for row, col in small.tolist()}
    return np.array([(row, col) in finders for row, col in points.tolist()], bool)


def select_points(
    features_at: Callable[[NDArray[np.float64]], NDArray[np.float32]],
    asked: NDArray[np.float64],
    found: NDArray[np.bool_],
    rest: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which of the remaining points look like points that found something.

    Parameters
    ----------
    features_at : callable
        Returns the (P, C) embedding at (P, 2) points.
    asked, rest : ndarray
        (A, 2) and (R, 2) points that have, and have not been asked.
    found : ndarray
        (A,) whether a point found something small.

    Returns
    -------
    ndarray
        (R,) boolean.
    """
    if len(asked) < NEIGHBOURS or not len(rest):
        return np.ones(len(rest), bool)
    features = features_at(np.concatenate([asked, rest])).astype(np.float64)
    # What all of the plane has in common says nothing.
    features -= features.mean(axis=0)
    features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-9
    # Rounded, so that the last bits, which differ from processor to processor, order nothing.
    alike = np.round(features[len(asked) :] @ features[: len(asked)].T, 9)
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, :NEIGHBOURS]
    return np.asarray(found[nearest].any(axis=1))
