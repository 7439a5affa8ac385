"""Prompts for the next plane, made from the mask of an object on the plane before."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt, prompt_boxes
from napari_segany.linking.propagation.params import PropagationParams


def expected_box(mask: MaskSet, margin: float, spacing: float | None) -> NDArray[np.float64]:
    """Return the box in which an object is expected.

    Parameters
    ----------
    mask : MaskSet
        One mask: the object where it is expected.
    margin : float
        Part of its height and width that is added on each side.
    spacing : float, optional
        Distance from the plane before in pixels of a plane. The outline of an object seldom moves
        further than that, so the margin is not larger.

    Returns
    -------
    ndarray
        (4,) row_min, col_min, row_max, col_max within the plane, through the centres of pixels.
    """
    box = mask.boxes[:1]
    wide = margin * (box[:, 2:] - box[:, :2]).astype(np.float64)
    if spacing is not None:
        wide = np.minimum(wide, spacing)
    grown: NDArray[np.float64] = prompt_boxes(box, np.tile(wide, 2), mask.shape)[0]
    return grown


def neighbour_points(
    point: NDArray[np.float64], mask: MaskSet, others: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Return the (N, 2) nearest points of other objects, N up to ``count``.

    Parameters
    ----------
    point : ndarray
        (2,) in the object.
    mask : MaskSet
        The object; points on it are left out.
    others : ndarray
        (M, 2) points in other objects, within the plane.
    count : int
        Points that are wanted.
    """
    if not count or not len(others):
        return np.zeros((0, 2))
    rows, cols = np.rint(others).astype(np.intp).T
    free: NDArray[np.float64] = others[~mask.mask(0)[rows, cols]]
    order = np.argsort(np.hypot(*(free - point).T), kind="stable")
    return free[order[:count]]


def first_prompts(
    masks: Sequence[MaskSet],
    inside: NDArray[np.float64],
    others: Sequence[NDArray[np.float64]],
    spacings: Sequence[float | None],
    params: PropagationParams,
) -> list[Prompt]:
    """Return one prompt an object: its box, a point inside and points of its neighbours.

    Parameters
    ----------
    masks : sequence of MaskSet
        Each of N objects where it is expected, not empty.
    inside : ndarray
        (N, 2) row, column of a point in each.
    others : sequence of ndarray
        (M, 2) points in other objects, for each object.
    spacings : sequence of float or None
        Of each object, see :func:`expected_box`.
    params : PropagationParams
        Margin of the box, and number of points in neighbours.
    """
    prompts = []
    for mask, point, points, spacing in zip(masks, inside, others, spacings, strict=True):
        negative = neighbour_points(point, mask, points, params.neighbour_points)
        prompts.append(
            Prompt(
                points=np.concatenate([point[None], negative]),
                labels=[1] + [0] * len(negative),
                box=expected_box(mask, params.margin, spacing),
            )
        )
    return prompts


def doubtful_prompts(mask: MaskSet, margin: float, spacing: float | None) -> list[Prompt]:
    """Return further prompts for an object whose first answer is doubtful.

    With the mask before, the model keeps to the object and takes neither a neighbour nor a part.
    The box alone leaves the object free to change.
    """
    box = expected_box(mask, margin, spacing)
    return [Prompt(box=box, mask=mask), Prompt(box=box)]
