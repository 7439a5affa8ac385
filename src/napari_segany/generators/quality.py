"""Estimated quality of candidates: small networks from features to the expected IoU.

They are fitted on images of every kind (:func:`napari_segany.training.calibration.choose_images`),
and they are part of the finder's file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.generators.region_features import REGION_FEATURES, SHAPE_FEATURES
from napari_segany.models.finder import FinderModel

MODEL_SCORES = ("predicted_iou", "stability")
"""Scores of the model's answer."""

AGREEMENT = ("agreement", "log2_area_ratio", "region_quality")
"""IoU of a region and the model's answer to it, ratio of their areas, estimate for the region."""

FEATURES: Mapping[str, tuple[str, ...]] = {
    "region": REGION_FEATURES,
    "asked_region": (*REGION_FEATURES, *MODEL_SCORES, *AGREEMENT),
    "mask": (*SHAPE_FEATURES, *MODEL_SCORES, *AGREEMENT),
}
"""Features of each estimator: a region, a region that the model was asked for, a model's mask."""


@dataclass(frozen=True)
class Perceptron:
    """A network of dense layers with ReLU between them.

    Attributes
    ----------
    mean, scale : ndarray
        (F,) float32 by which features are normalised.
    weights, biases : tuple of ndarray
        (n, m) and (m,) float32 of each layer.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (N,) output of (N, F) features, in 0..1."""
        x = np.clip((features - self.mean) / self.scale, -6, 6).astype(np.float32)
        last = len(self.weights) - 1
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            # Not a matrix product: its last bits would depend on the number of threads.
            x = np.einsum("nf,fm->nm", x, weight) + bias
            if number < last:
                x = np.maximum(x, 0)
        # Beyond 60 the output is 0 or 1 in float32, and the exponential would soon overflow.
        out: NDArray[np.float32] = 1 / (1 + np.exp(-np.clip(x[:, 0], -60, 60)))
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, as files store them."""
        return {
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "weights": [each.tolist() for each in self.weights],
            "biases": [each.tolist() for each in self.biases],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Perceptron":
        """Undo :meth:`to_dict`.

        Raises
        ------
        ValueError
            If the shapes do not fit each other, or a value is not finite.
        KeyError
            If a part is missing.
        """
        found = cls(
            np.asarray(values["mean"], np.float32),
            np.asarray(values["scale"], np.float32),
            tuple(np.asarray(each, np.float32) for each in values["weights"]),
            tuple(np.asarray(each, np.float32) for each in values["biases"]),
        )
        widths = [*(len(each) for each in found.weights), 1]
        shapes = [(n,) for n in (widths[0], widths[0], *widths[1:])]
        parts = (found.mean, found.scale, *found.biases)
        fits = [each.shape for each in parts] == shapes and [
            each.shape for each in found.weights
        ] == list(pairwise(widths))
        if not (fits and all(np.isfinite(each).all() for each in (*parts, *found.weights))):
            raise ValueError("The layers do not fit each other, or a value is not finite.")
        if not (found.scale > 0).all():
            raise ValueError("A scale is not positive.")
        return found


@dataclass(frozen=True)
class Quality:
    """The estimators of one finder, see :data:`FEATURES`."""

    region: Perceptron
    asked_region: Perceptron
    mask: Perceptron

    def to_dict(self) -> dict[str, Any]:
        """Return the estimators with the names of their features, as files store them."""
        return {
            name: {"features": list(names), **getattr(self, name).to_dict()}
            for name, names in FEATURES.items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Quality":
        """Undo :meth:`to_dict`.

        Raises
        ------
        InputError
            If the features are not those of this version, or the values are no networks of them.
        """
        found = {}
        for name, names in FEATURES.items():
            entry = values.get(name, {})
            if tuple(entry.get("features", ())) != names:
                raise InputError(
                    "The finder was made for another version of napari-segany: its quality "
                    f"estimate {name!r} has other features."
                )
            try:
                found[name] = Perceptron.from_dict(entry)
            except (KeyError, TypeError, ValueError):
                raise _damaged(name) from None
            if len(found[name].mean) != len(names):
                raise _damaged(name)
        return cls(**found)


_parsed: "WeakKeyDictionary[FinderModel, tuple[Mapping[str, Any], Quality]]" = WeakKeyDictionary()


def quality_of(finder: FinderModel) -> Quality:
    """Return the estimators of a finder, parsed once for all planes.

    Raises
    ------
    InputError
        See :meth:`Quality.from_dict`.
    """
    values = finder.card.quality
    known = _parsed.get(finder)
    if known is None or known[0] is not values:
        known = _parsed[finder] = values, Quality.from_dict(values)
    return known[1]


def _damaged(name: str) -> InputError:
    return InputError(
        f"The finder's file cannot be used: its quality estimate {name!r} is damaged. Import the "
        "file again, or train the finder again."
    )


def stack_columns(*columns: NDArray[Any] | Sequence[float]) -> NDArray[np.float32]:
    """Return (N, ...) columns and tables side by side as (N, F) float32."""
    parts = [np.asarray(each, np.float32) for each in columns]
    return np.concatenate([each[:, None] if each.ndim == 1 else each for each in parts], axis=1)
