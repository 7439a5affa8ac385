"""Truth that says where objects are, but not which: noticed, and taken apart if that is wanted."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from napari_segany.errors import InputError

BinaryTruth = Literal["tell", "components", "one", "refuse"]
"""What becomes of such truth: it counts as it is and that is told, each separate part is an object,
it counts as it is, or it is an error."""

LARGE = 0.1
"""Share of an identifier's largest part from which another part of it is no speck."""

SMALLEST = 10
"""Pixels of the smallest part that is no speck."""


def components(truth: NDArray[np.integer]) -> NDArray[np.integer]:
    """Labels in which each separate part of each label is an object of its own; (H, W) or more."""
    parts: NDArray[np.integer] = label(np.where(truth > 0, truth, 0), background=0)
    return parts


def noticed(truth: NDArray[np.integer]) -> str:
    """The reason why labels look binary, in words; empty if most labels are one part each.

    A mask of zeros and another value is, if it has several parts, and so are classes of pixels.
    """
    ids = np.unique(truth[truth > 0])
    if not len(ids):
        return ""
    parts = components(truth)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    # The label that each part belongs to.
    owner = np.zeros(len(sizes), np.intp)
    owner[parts.ravel()] = np.searchsorted(ids, truth.ravel()).clip(max=len(ids) - 1)
    largest = np.zeros(len(ids), np.int64)
    np.maximum.at(largest, owner, sizes)
    real = sizes >= np.maximum(LARGE * largest[owner], SMALLEST)
    several = np.bincount(owner[real], minlength=len(ids)) > 1
    count = int(real.sum())
    if several.mean() <= 0.5:
        return ""
    what = f"one value, {ids[0]}," if len(ids) == 1 else f"{len(ids)} values"
    return f"{what} in {count} separate parts"


def taken_apart(truth: NDArray[np.integer], how: BinaryTruth) -> tuple[NDArray[np.integer], str]:
    """The labels to measure by, and what is to be told of them.

    Raises
    ------
    InputError
        If they look binary and ``how`` is "refuse".
    """
    if how == "components":
        return components(truth), ""
    found = "" if how == "one" else noticed(truth)
    if found and how == "refuse":
        raise InputError(
            f"The truth holds {found}: objects are not told apart. Give labels with a number an "
            'object, or binary_truth="components" to take each part for one.'
        )
    return truth, found
