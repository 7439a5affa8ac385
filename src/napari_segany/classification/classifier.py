"""A classifier of objects, fitted on a few labelled ones in milliseconds.

A logistic regression on size, shape, colours and the encoder's features of each object. Few labels
make its probabilities cautious, so that doubtful objects are told.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.classification.class_set import ClassSet
from napari_segany.core.mask_classes import MaskClasses
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.descriptors import Descriptors
from napari_segany.generators.exemplars.example_set import thaw

PENALTY = 1.0
"""Inverse strength of the penalty on weights (``C`` of scikit-learn)."""

EMBEDDING_SCALE = 2.0
"""Factor of the encoder's features, whose differences are small beside those of shape."""

SCALES = {"elongation": 0.4, "filling": 0.2, "colour": 0.15}
"""Usual differences of objects, by which measures are divided; of areas it is one octave."""

ROWS_AT_ONCE = 4096
"""Objects that are rated together."""

NOT_HERE = (
    'Sorting objects needs scikit-learn, which is not installed: pip install "napari-segany[learn]"'
)


def object_features(found: Descriptors) -> NDArray[np.float32]:
    """Return the (N, F) float32 features of objects by which they are sorted."""
    contrast = found.colour[:, :3] - found.colour_around
    columns = (
        np.log2(found.area)[:, None],
        found.elongation[:, None] / SCALES["elongation"],
        found.filling[:, None] / SCALES["filling"],
        found.colour / SCALES["colour"],
        contrast / SCALES["colour"],
        EMBEDDING_SCALE * found.inside,
    )
    return np.concatenate(columns, axis=1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A fitted classifier.

    Attributes
    ----------
    names : tuple of str
        All classes.
    known : ndarray
        (K,) int64 classes that have labelled objects, as indices into ``names``.
    weights, bias : ndarray
        (K, F) and (K,) float32.
    """

    names: tuple[str, ...]
    known: NDArray[np.int64]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (N, K) probabilities of the known classes of (N, F) features.

        They are rounded to four decimals, so that they are the same where sums are made in another
        order.
        """
        if features.shape[1] != self.weights.shape[1]:
            raise InputError(
                f"The objects have {features.shape[1]} features, and the classes were learned from "
                f"{self.weights.shape[1]}; label objects again."
            )
        out = np.zeros((len(features), len(self.known)), np.float32)
        for start in range(0, len(features), ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            # Not a matrix product: its last bits would depend on the number of threads.
            rated = np.einsum("nf,kf->nk", features[some], self.weights) + self.bias
            rated = np.exp(rated - rated.max(axis=1, keepdims=True))
            out[some] = rated / rated.sum(axis=1, keepdims=True)
        return np.round(out, 4)

    def classify(self, features: NDArray[np.float32]) -> MaskClasses:
        """Return the most probable class of each object, with its probability as score."""
        rated = self.probabilities(features)
        if not len(rated):
            best: tuple[float, ...] = (float("nan"),) * len(self.names)
            return MaskClasses(self.names, np.zeros(0, np.int64), np.zeros(0, np.float32), best)
        top = rated.argmax(axis=1)
        best_of = np.full(len(self.names), np.nan)
        best_of[self.known] = rated.max(axis=0)
        scores = rated[np.arange(len(rated)), top]
        return MaskClasses(self.names, self.known[top], scores, tuple(best_of.tolist()))


def fit_classifier(classes: ClassSet) -> Classifier:
    """Fit a classifier on the labelled objects.

    Raises
    ------
    InputError
        If objects of fewer than two classes are labelled, or scikit-learn is not installed.
    """
    if not classes.is_ready:
        raise InputError("Label objects of two classes at least; the others follow then.")
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise InputError(NOT_HERE) from None
    features = object_features(Descriptors(**thaw(classes.objects))).astype(np.float64)
    labels = np.array(classes.labels)
    middle = features.mean(axis=0)
    # Every class counts the same, however many of its objects are labelled.
    regression = LogisticRegression(C=PENALTY, max_iter=500, class_weight="balanced")
    regression.fit(features - middle, labels)
    slopes, bias = regression.coef_, regression.intercept_ - regression.coef_ @ middle
    if len(regression.classes_) == 2:
        slopes, bias = np.stack([-slopes[0], slopes[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
    known = regression.classes_.astype(np.int64)
    return Classifier(classes.names, known, slopes.astype(np.float32), np.asarray(bias, np.float32))
