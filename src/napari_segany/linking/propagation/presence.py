"""Probability that an object is on a plane at all, from its best candidate there.

A model answers a box with some mask, also where the object has ended. Score, similarity and the
contrast with the surroundings all fall there, each of them seldom far enough to be sure. Together
they are: by logistic regression, fitted to objects of three volumes (``docs/propagation.md``) that
were followed beyond their true ends.
"""

import numpy as np

BIAS = -1.0
SIMILARITY = 2.0
CONTRAST = 0.7
LOG_SCORE = 8.7
"""Coefficients of the logarithm of odds."""


def presence(predicted_iou: float, similarity: float, contrast: float) -> float:
    """Return the probability that an object is on a plane, 0..1.

    Parameters
    ----------
    predicted_iou : float
        The model's own estimate for the candidate.
    similarity : float
        Its likeness to the object on the prompted plane, 0..1.
    contrast : float
        Its contrast with its surroundings, in contrasts of the object on the prompted plane; see
        :meth:`Appearance.relative_step`.
    """
    score = np.log(np.clip(predicted_iou, 0.05, 1.0))
    odds = BIAS + SIMILARITY * similarity + CONTRAST * contrast + LOG_SCORE * score
    return float(1 / (1 + np.exp(-odds)))
