"""Ground truth without object ids, such as binary masks: detection and conversion to labels."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from napari_segany.errors import InputError

BinaryTruth = Literal["tell", "components", "one", "refuse"]
"""Treatment of binary truth: used with a remark, split into components, used, or refused."""

LARGE = 0.1
"""Fraction of a label's largest component from which another component of it is no speck."""

SMALLEST = 10
"""Pixels of the smallest component that is no speck."""


def split_components(truth: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return labels whose objects are the connected components of each label; any dimensions.

    Examples
    --------
    >>> split_components(np.array([[255, 0, 255]])).tolist()
    [[1, 0, 2]]
    """
    parts: NDArray[np.integer] = label(np.where(truth > 0, truth, 0), background=0)
    return parts


def describe_binary(truth: NDArray[np.integer]) -> str:
    """Describe why labels look binary; return an empty string if most labels are one component.

    A mask of zeros and another value is, if it has several parts, and so are classes of pixels.

    Examples
    --------
    >>> truth = np.zeros((10, 30), int)
    >>> truth[2:8, 2:10] = truth[2:8, 15:25] = 255
    >>> describe_binary(truth)
    'one value, 255, in 2 separate parts'
    """
    ids = np.unique(truth[truth > 0])
    if not len(ids):
        return ""
    parts = split_components(truth)
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


def prepare_truth(
    truth: NDArray[np.integer], treatment: BinaryTruth
) -> tuple[NDArray[np.integer], str]:
    """Return the labels to evaluate against, and a remark about them.

    Raises
    ------
    InputError
        If they look binary and ``how`` is "refuse".
    """
    if treatment == "components":
        return split_components(truth), ""
    found = "" if treatment == "one" else describe_binary(truth)
    if found and treatment == "refuse":
        raise InputError(
            f"The truth holds {found}: objects are not told apart. Give labels with a number an "
            'object, or binary_truth="components" to take each part for one.'
        )
    return truth, found
