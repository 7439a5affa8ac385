"""Order of the candidates of an ambiguous prompt."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError

Ranking = Literal["plausible", "predicted_iou", "decoder"]

LARGE_FRACTION = 0.5
"""Fraction of the plane above which a candidate is seldom the intended object."""


def rank(candidates: MaskSet, ranking: Ranking = "plausible") -> NDArray[np.intp]:
    """Return the order of the candidates of one prompt, best first.

    The models score "the whole image" above everything else, so "plausible" puts candidates that
    cover more than half of the plane last and otherwise goes by predicted IoU.
    "predicted_iou" is the order of the published code, "decoder" the one in which the decoder gives
    them: of several answers to the same prompt, the same candidates stand at the same place.
    """
    if ranking not in get_args(Ranking):
        raise InputError(f"ranking must be one of {', '.join(get_args(Ranking))}, got {ranking!r}.")
    if ranking == "decoder":
        return np.arange(len(candidates))
    order = np.argsort(-candidates.predicted_iou, kind="stable")
    if ranking == "predicted_iou":
        return order
    large = candidates.area[order] > LARGE_FRACTION * np.prod(candidates.shape)
    return np.concatenate([order[~large], order[large]])
