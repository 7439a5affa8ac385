"""Label images: object ids as exact whole numbers, and ids that stay unique over planes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.errors import InputError

LARGEST_ID = 2**63 - 1
"""Ids of objects are counted in 64 bits with a sign."""


def whole_numbers(labels: ArrayLike, what: str = "Labels") -> NDArray[np.integer]:
    """Convert labels of any type to the whole numbers that they hold, or raise an error.

    Parameters
    ----------
    labels : array_like
        Of any type; numbers with a decimal point are taken if they are whole.
    what : str
        Their name in errors.

    Raises
    ------
    InputError
        If they are no whole numbers, or too large.

    Examples
    --------
    >>> whole_numbers([[0.0, 2.0]]).tolist()
    [[0, 2]]
    """
    array = np.asarray(labels)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        # Beyond 2**53 such numbers do not tell neighbours apart.
        bad = ~((np.floor(array) == array) & (np.abs(array) <= 2**53))
        if bad.any():
            raise InputError(
                f"{what} must be whole numbers, and hold {float(array[bad][0])}: give each object "
                "a whole number, and 0 to what is none."
            )
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise InputError(f"{what} must be whole numbers, got an array of {array.dtype}.")
    if array.dtype == np.uint64:
        check_largest(int(array.max(initial=0)), LARGEST_ID, what)
    return array


def as_ids(labels: ArrayLike, what: str = "Labels") -> NDArray[np.integer]:
    """Return ids of objects, 0 for none: :func:`whole_numbers` with negative ones as 0."""
    array = whole_numbers(labels, what)
    return np.maximum(array, 0) if array.dtype.kind == "i" else array


def check_largest(label: int, largest: int, what: str = "Labels") -> None:
    """Raise InputError if an id is larger than what can be kept."""
    if label > largest:
        raise InputError(
            f"{what} hold the id {label}, and ids end at {largest} here. Number them anew, for "
            "example with skimage.segmentation.relabel_sequential."
        )


def shift_ids(labels: NDArray[np.integer], last: int) -> NDArray[np.integer]:
    """Add ``last`` to the ids of objects, so that ids stay unique over the planes of a stack.

    Raises
    ------
    InputError
        If an id becomes too large.

    Examples
    --------
    >>> shift_ids(np.array([[0, 1, 2]]), 10).tolist()
    [[0, 11, 12]]
    """
    if not last:
        return labels
    check_largest(int(labels.max(initial=0)) + last, np.iinfo(np.int32).max)
    # Pages of background that nobody writes to cost nothing.
    shifted = np.zeros(labels.shape, np.int32)
    np.add(labels, np.int32(last), out=shifted, where=labels > 0)
    return shifted
