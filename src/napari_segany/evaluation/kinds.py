"""Scores by kind of image: means over kinds, and differences of two models on the same images."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_segany.errors import InputError

REPEATS = 2000
"""Bootstrap samples of an interval."""


def mean_over_kinds(kinds: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each score over kinds, every kind counting the same.

    Kinds that do not have a score, or NaN, are left out of its mean; it is NaN if none has it.

    Parameters
    ----------
    kinds : mapping
        Scores by name, of each kind.

    Examples
    --------
    >>> mean_over_kinds({"nuclei": {"msa": 0.6}, "neurites": {"msa": 0.2}})
    {'msa': 0.4}
    """
    names = dict.fromkeys(name for scores in kinds.values() for name in scores)
    found: dict[str, float] = {}
    for name in names:
        values = [scores.get(name, math.nan) for scores in kinds.values()]
        known = [value for value in values if not math.isnan(value)]
        found[name] = float(np.mean(known)) if known else math.nan
    return found


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference of a score between two models on the same images.

    Attributes
    ----------
    mean : float
        First model minus second.
    low, high : float
        Bootstrap 95 % interval over images.
    images : int
        Number of images.
    """

    mean: float
    low: float
    high: float
    images: int


def paired_difference(
    first: ArrayLike, second: ArrayLike, kinds: Sequence[Hashable] | None = None
) -> PairedDifference:
    """Return the mean difference of a score on the same images, with its interval.

    Images are drawn again with replacement, the same ones for both models and in each call.

    Parameters
    ----------
    first, second : array_like
        (N,) scores of the images.
    kinds : sequence, optional
        (N,) kind of each image. The mean is then over kinds, every kind counting the same, and
        images are drawn within their kind.

    Raises
    ------
    InputError
        If there are no images, or the numbers differ.

    Examples
    --------
    >>> found = paired_difference([0.5, 0.7, 0.9], [0.4, 0.6, 0.8])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3), found.images
    (0.1, 0.1, 0.1, 3)
    """
    ours, others = np.asarray(first, np.float64), np.asarray(second, np.float64)
    groups = list(kinds) if kinds is not None else [0] * len(ours)
    if not len(ours) or not len(ours) == len(others) == len(groups):
        raise InputError(
            f"Paired scores are of the same images, got {len(ours)}, {len(others)} and "
            f"{len(groups)} of them."
        )
    difference, random = ours - others, np.random.default_rng(0)
    drawn = np.zeros(REPEATS)
    means = []
    names = list(dict.fromkeys(groups))
    for name in names:
        mine = difference[[group == name for group in groups]]
        means.append(float(mine.mean()))
        sample = mine[random.integers(len(mine), size=(REPEATS, len(mine)))]
        drawn += sample.mean(axis=1) / len(names)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return PairedDifference(float(np.mean(means)), float(low), float(high), len(ours))
