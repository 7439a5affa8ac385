"""Sentences about phrases of which no object was found."""

import math
from collections.abc import Iterable

import numpy as np

from napari_segany.core.mask_classes import MaskClasses


def describe_unmatched(found: Iterable[MaskClasses | None], threshold: float | None) -> list[str]:
    """Return a sentence for each phrase without an object, with the best score it got.

    Parameters
    ----------
    found : iterable of MaskClasses
        The classes of the masks of one plane, or of several; those of other searches are None.
    threshold : float or None
        The score that objects had to exceed.
    """
    planes = [classes for classes in found if classes is not None]
    if not planes:
        return []
    missing = set.intersection(*(set(classes.missing) for classes in planes))
    best_scores = np.fmax.reduce(np.array([classes.best for classes in planes]), axis=0)
    floor, sentences = threshold or 0.0, []
    for k in sorted(missing):
        name, best = planes[0].names[k], float(best_scores[k])
        if math.isnan(best):
            sentences.append(f"Nothing to score for '{name}': no box or mask was found at all.")
        elif best > floor:
            sentences.append(
                f"Nothing for '{name}', whose best score is {best:.2f}: other phrases have better "
                "scores at these places, or a filter leaves it out."
            )
        else:
            sentences.append(
                f"Nothing above {floor:.2f} for '{name}'; the best score was {best:.2f}: lower the "
                "text threshold (--text-threshold), or use other words."
            )
    return sentences
