"""Sentences about phrases of which no object was found."""

import math

from napari_segany.core.masks import MaskSet


def describe_unmatched(masks: MaskSet, threshold: float | None) -> list[str]:
    """Return a sentence for each phrase without an object, with the best score it got.

    Parameters
    ----------
    masks : MaskSet
        What was found by text; others have no such sentences.
    threshold : float or None
        The score that objects had to exceed.
    """
    if masks.classes is None:
        return []
    sentences = []
    for k in masks.classes.missing:
        name, best, floor = masks.classes.names[k], masks.classes.best[k], threshold or 0.0
        if math.isnan(best):
            sentences.append(f"Nothing to score for '{name}': no box or mask was found at all.")
        elif best > floor:
            sentences.append(
                f"Nothing for '{name}', whose best score is {best:.2f}: other phrases have better "
                "scores at these places, or a filter leaves it out."
            )
        else:
            sentences.append(
                f"Nothing above {floor:.2f} for '{name}'; the best score was {best:.2f}: lower "
                "--text-threshold, or use other words."
            )
    return sentences
