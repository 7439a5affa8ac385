"""Small planes, continued beyond their edges to be seen at a second, smaller scale.

A frame is filled by a plane however few pixels it has. Grains of its noise can then be as large as
the objects that a finder has learned, and it sees none. Continued by its mirror images, the plane
has the scale of those that were learned. Which scale shows an object better is left to its score.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.generators.finder_candidates import nearest_inside

MOST_ENLARGED = 4.0
"""Pixels of the frame for each pixel of a plane up to which it stays as it is."""

CONTINUED = 2.56
"""Pixels of the frame for each pixel of a plane that was continued; chosen on parts of 100 and 180
pixels of validation images, with and without photon noise."""

LEAST_INSIDE = 0.3
"""Part of a mask's pixels that must lie in the plane. Objects that the edge cuts are continued by
their mirror image, so that about half of such a mask does."""


def is_small(shape: tuple[int, int], frame_side: int) -> bool:
    """Return whether a plane of this shape would fill the frame only by enlarging it too much."""
    return frame_side > MOST_ENLARGED * max(shape)


def continue_plane(pixels: NDArray[Any], frame_side: int) -> NDArray[Any]:
    """Return a plane with its mirror images to the right and below.

    Parameters
    ----------
    pixels : ndarray
        (H, W, ...) of any type.
    frame_side : int
        Side of the model's frame in pixels.

    Returns
    -------
    ndarray
        (S, S, ...), of which the first H rows and W columns are the plane.
    """
    side = max(int(frame_side / CONTINUED), *pixels.shape[:2])
    beyond = [(0, side - length) for length in pixels.shape[:2]]
    return np.pad(pixels, beyond + [(0, 0)] * (pixels.ndim - 2), mode="symmetric")


def cut_to_plane(masks: MaskSet, shape: tuple[int, int]) -> MaskSet:
    """Return masks of a continued plane as masks of the plane.

    Those that lie mostly beyond its edges are left out.

    Parameters
    ----------
    masks : MaskSet
        N masks of the continued plane.
    shape : tuple of int
        (H, W) of the plane.
    """
    crops, origins, points, kept = [], [], masks.points.copy(), []
    for i, (top, left, _, _) in enumerate(masks.boxes.tolist()):
        inside = masks.crop(i)[: max(shape[0] - top, 0), : max(shape[1] - left, 0)]
        if inside.sum() < max(LEAST_INSIDE * masks.area[i], 1):
            continue
        crops.append(inside)
        origins.append((top, left))
        kept.append(i)
        # A mask that came from no point has none.
        if np.isfinite(points[i]).all():
            points[i] = nearest_inside(points[i], inside, masks.boxes[i, :2])
    if not kept:
        return replace(MaskSet.empty(shape), prompts_asked=masks.prompts_asked)
    cut = MaskSet.from_crops(
        shape,
        crops,
        origins,
        predicted_iou=masks.predicted_iou[kept],
        stability_score=masks.stability_score[kept],
        points=points[kept],
    )
    return replace(cut, prompts_asked=masks.prompts_asked)
