"""Matches of scored masks and true objects of an image for pycocotools, of near pairs only.

pycocotools compares every mask with every object at each threshold and size class. Nearly all of
these pairs do not overlap, so this module does the same with the few that do.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEARLY_ONE = 1 - 1e-10
"""Largest IoU that is asked for, so that equal masks match at a threshold of 1."""


def match_image(
    evaluation: Any, image: int, category: int, area: Sequence[float], most: int
) -> dict[str, Any] | None:
    """Return what ``COCOeval.evaluateImg`` returns, for truth without crowds.

    Parameters
    ----------
    evaluation : pycocotools.cocoeval.COCOeval
        Evaluation whose IoU has been computed.
    image, category : int
        Ids.
    area : sequence of float
        Smallest and largest area in pixels of the objects that count; others are ignored.
    most : int
        Number of best-scored masks that count.
    """
    truth, found = evaluation._gts[image, category], evaluation._dts[image, category]
    if not truth and not found:
        return None

    def outside(objects: Sequence[dict[str, Any]]) -> NDArray[np.bool_]:
        areas = np.array([each["area"] for each in objects], np.float64)
        return (areas < area[0]) | (areas > area[1])

    ignored = outside(truth)
    order = np.argsort(ignored, kind="stable")
    ranks = np.argsort([-each["score"] for each in found], kind="stable")[:most]
    truth, found = [truth[i] for i in order], [found[i] for i in ranks]
    ignored = ignored[order]
    thresholds = np.minimum(evaluation.params.iouThrs, NEARLY_ONE)
    matches = np.full((len(thresholds), len(found)), -1)
    if truth and found:
        iou = np.asarray(evaluation.ious[image, category], np.float64)[:, order]
        matches = match_masks(iou, ignored, thresholds)
    truth_ids, found_ids = (np.array([o["id"] for o in each]) for each in (truth, found))
    of_truth = np.zeros((len(thresholds), len(truth)))
    of_found = np.zeros((len(thresholds), len(found)))
    found_ignored = np.tile(outside(found), (len(thresholds), 1))
    level, rank = np.nonzero(matches >= 0)
    if len(level):
        at = matches[level, rank]
        of_truth[level, at], of_found[level, rank] = found_ids[rank], truth_ids[at]
        found_ignored[level, rank] = ignored[at]
    return {
        "image_id": image,
        "category_id": category,
        "aRng": area,
        "maxDet": most,
        "dtIds": found_ids.tolist(),
        "gtIds": truth_ids.tolist(),
        "dtMatches": of_found,
        "gtMatches": of_truth,
        "dtScores": [each["score"] for each in found],
        "gtIgnore": ignored.astype(np.int64),
        "dtIgnore": found_ignored,
    }


def match_masks(
    iou: NDArray[np.float64], ignored: NDArray[np.bool_], thresholds: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Match masks to objects, best score first, each to the free object with the largest IoU.

    Objects that are ignored are taken only where no other fits; of equal IoU the last object wins.

    Parameters
    ----------
    iou : ndarray
        (D, G) IoU of masks, best score first, and objects, those that are ignored last.
    ignored : ndarray
        (G,) boolean.
    thresholds : ndarray
        (T,) smallest IoU of a match.

    Returns
    -------
    ndarray
        (T, D) position of each mask's object, -1 where there is none.
    """
    rows, cols = np.nonzero(iou >= thresholds.min())
    borders = np.searchsorted(rows, np.arange(len(iou) + 1)).tolist()
    pairs = list(zip(cols.tolist(), iou[rows, cols].tolist(), strict=True))
    near = [pairs[low:high] for low, high in pairwise(borders)]
    matches = np.full((len(thresholds), len(iou)), -1)
    for level, threshold in enumerate(thresholds.tolist()):
        free = [True] * iou.shape[1]
        for rank, objects in enumerate(near):
            best, least = -1, threshold
            for at, value in objects:
                if not free[at]:
                    continue
                if best >= 0 and ignored[at] and not ignored[best]:
                    break
                if value >= least:
                    best, least = at, value
            if best >= 0:
                matches[level, rank], free[best] = best, False
    return matches
