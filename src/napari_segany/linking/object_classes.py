"""The class of an object that has parts in several planes: the one that most of them have."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def majority_classes(
    label: NDArray[np.integer],
    count: int,
    index: NDArray[np.integer],
    score: NDArray[np.floating],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the class that most parts of each object have; of equally many, the better scored.

    Parameters
    ----------
    label : ndarray
        (M,) object of each part, 1 to ``count``.
    count : int
        Number of objects, K.
    index : ndarray
        (M,) class of each part, -1 for none.
    score : ndarray
        (M,) score of each part's class, 0..1.

    Returns
    -------
    index : ndarray
        (K,) class of each object, -1 where no part has one.
    score : ndarray
        (K,) mean score of the parts that have this class, NaN where none has.
    """
    classes = int(index.max(initial=-1)) + 1
    if not classes:
        return np.full(count, -1, np.int64), np.full(count, np.nan)
    known = index >= 0
    place = (label[known] - 1) * classes + index[known]
    parts = np.bincount(place, minlength=count * classes).reshape(count, classes)
    sums = np.bincount(place, score[known], count * classes).reshape(count, classes)
    # Scores are at most 1, so that their mean decides between equal numbers of parts only.
    means = np.divide(sums, parts, out=np.zeros_like(sums), where=parts > 0)
    best = (2.0 * parts + means).argmax(axis=1)
    rows = np.arange(count)
    some = parts[rows, best] > 0
    return np.where(some, best, -1), np.where(some, means[rows, best], np.nan)


def class_columns(
    names: tuple[str, ...], index: NDArray[np.integer], score: NDArray[np.floating]
) -> dict[str, NDArray[Any]]:
    """Return the columns ``class`` and ``class_score`` of objects; empty names for no class."""
    texts = np.array([*names, ""], np.str_)
    return {"class": texts[index], "class_score": score}
