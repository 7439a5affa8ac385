"""Likeness of masks to examples: the expected IoU with an object like these.

It is the quality of a mask, as those who proposed it expect it, times a factor that falls from 1 to
0 where features, colours, size or shape are not those of an example. The factor is a power of the
probability that a logistic regression gives, which was fitted on labelled images of many kinds
(``benchmarks/fit_likeness.py``). A higher power, and less of the quality, rank by likeness.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.generators.exemplars.descriptors import Descriptors
from napari_segany.generators.exemplars.example_set import ExampleSet, Exemplar, thaw
from napari_segany.generators.exemplars.params import RankBy

FEATURES = (
    "inside_coarse",
    "inside_fine",
    "contrast_coarse",
    "contrast_fine",
    "around_coarse",
    "around_fine",
    "area",
    "area_size",
    "area_squared",
    "elongation",
    "filling",
    "colour",
    "colour_spread",
    "colour_around",
    "colour_contrast",
)
"""Features of a mask and an example. "coarse" is the embedding, "fine" are all finer stages; areas
are log2 of the ratio to the example's."""

COARSE = 256
"""Features of the embedding; those after them are of the finer stages."""

POWERS: Mapping[RankBy, tuple[float, float]] = MappingProxyType(
    {"quality": (1.0, 0.3), "likeness": (0.25, 8.0)}
)
"""Powers of the quality and of the probability of being like an example. With the first, a mask
that is hardly like it loses most. With the second, one must be nearly as like it as its own outline
is, and quality chooses between outlines of one object. Both were chosen on validation images of the
training sets."""

MODEL_TRUST = 0.6
"""Expected IoU of a mask of the model whose own scores are 1. Where a finder sees a kind of
object, its regions are better."""


@dataclass(frozen=True)
class Comparison:
    """A logistic regression on the features of a mask and an example.

    Attributes
    ----------
    weights : ndarray
        (F,) float64.
    bias : float
        Log-odds where all features are 0.
    """

    weights: NDArray[np.float64]
    bias: float

    def log_odds(self, found: Descriptors, examples: tuple[Exemplar, ...]) -> NDArray[np.float64]:
        """Return the (N,) log-odds that masks are like the most similar of some examples."""
        best = np.full(len(found), -np.inf)
        for k in range(len(examples)):
            features = pair_features(found, example_of(examples[k : k + 1]))
            # Not a matrix product: its last bits would depend on the number of threads.
            best = np.maximum(best, np.einsum("nf,f->n", features, self.weights) + self.bias)
        odds: NDArray[np.float64] = np.clip(best, -30, 30)
        return odds

    def to_dict(self) -> dict[str, Any]:
        """Return plain values with the names of the features, as files hold them."""
        return {"features": list(FEATURES), "weights": self.weights.tolist(), "bias": self.bias}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Comparison":
        """Undo :meth:`to_dict`.

        Raises
        ------
        ValueError
            If the features are others.
        """
        if tuple(values["features"]) != FEATURES:
            raise ValueError("The comparison was fitted on other features.")
        return cls(np.asarray(values["weights"], np.float64), float(values["bias"]))


def rate_likeness(
    found: Descriptors,
    quality: NDArray[np.float32],
    examples: ExampleSet,
    comparison: Comparison | None = None,
    rank_by: RankBy = "quality",
) -> NDArray[np.float32]:
    """Return the (N,) expected IoU of masks with an object like the examples.

    Parameters
    ----------
    found : Descriptors
        Of the N masks.
    quality : ndarray
        (N,) IoU that is expected of each mask with any object.
    examples : ExampleSet
        Examples and negatives. A mask that is more like a negative than like every example loses
        its likeness.
    comparison : Comparison, optional
        By default the one of the package.
    rank_by : {"quality", "likeness"}
        The order of masks, see :data:`POWERS`.
    """
    if not len(found):
        return np.zeros(0, np.float32)
    comparison = comparison or fitted_comparison()
    alike = comparison.log_odds(found, examples.examples)
    of_quality, of_likeness = POWERS[rank_by]
    factor = (1 + np.exp(-alike)) ** -of_likeness
    if examples.negatives:
        unlike = comparison.log_odds(found, examples.negatives)
        factor = factor * np.minimum(2 / (1 + np.exp(unlike - alike)), 1)
    return (quality.astype(np.float64) ** of_quality * factor).astype(np.float32)


def example_of(examples: tuple[Exemplar, ...]) -> Descriptors:
    """Return the descriptors of examples."""
    return Descriptors(**thaw(examples))


def pair_features(found: Descriptors, example: Descriptors) -> NDArray[np.float64]:
    """Return the (N, F) features of N masks and one example, see :data:`FEATURES`."""

    def cosine(rows: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float64]:
        similar: NDArray[np.float64] = np.einsum("nc,c->n", rows, one, dtype=np.float64)
        return similar

    columns: list[NDArray[Any]] = []
    inside, around = example.inside[0], example.around[0]
    levels = slice(0, COARSE), slice(COARSE, None)
    similar = [cosine(found.inside[:, part], inside[part]) for part in levels]
    other = [cosine(found.inside[:, part], around[part]) for part in levels]
    columns += similar
    columns += [s - o for s, o in zip(similar, other, strict=True)]
    columns += [cosine(found.around[:, part], around[part]) for part in levels]
    ratio = np.log2(found.area.astype(np.float64) / example.area[0])
    columns += [ratio, np.abs(ratio), ratio**2]
    columns += [
        np.abs(found.elongation - example.elongation[0]),
        np.abs(found.filling - example.filling[0]),
    ]
    mean, spread = found.colour[:, :3], found.colour[:, 3:]
    columns += [
        _distance(mean, example.colour[0, :3]),
        _distance(spread, example.colour[0, 3:]),
        _distance(found.colour_around, example.colour_around[0]),
        _distance(mean - found.colour_around, example.colour[0, :3] - example.colour_around[0]),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _distance(values: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (N,) Euclidean distances of rows from one."""
    distance: NDArray[np.float32] = np.sqrt(((values - one) ** 2).sum(axis=1))
    return distance


@cache
def fitted_comparison() -> Comparison:
    """Return the comparison of the package."""
    text = resources.files(__package__ or "").joinpath("likeness.json").read_text("utf-8")
    return Comparison.from_dict(json.loads(text))
