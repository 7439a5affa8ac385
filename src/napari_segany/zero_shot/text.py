"""Segmentation by text: masks of what phrases name."""

import os
from collections.abc import Iterable
from dataclasses import replace

from numpy.typing import ArrayLike

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits
from napari_segany.core.masks import MaskSet
from napari_segany.generators.generate import generate_masks
from napari_segany.generators.text_params import TextParams
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.registry import load_model


def segment_text(
    image: ArrayLike,
    text: str | Iterable[str],
    model: PromptableModel | str | os.PathLike[str] = "auto",
    params: TextParams | None = None,
    *,
    limits: Limits | None = None,
    region: ArrayLike | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> MaskSet:
    """Segment what phrases name in a plane.

    A text model finds the phrases, and ``model`` draws the objects. Text models were trained on
    photographs. For stacks, give :class:`TextParams` to :func:`napari_segany.segment_everything`.

    Parameters
    ----------
    image : array_like
        (H, W) or (H, W, 3) of any boolean, integer or real floating type.
    text : str or iterable of str
        A phrase, or several, each of which becomes a class.
    model : PromptableModel, str or path
        A loaded model or what :func:`load_model` takes.
    params : TextParams, optional
        The text model, thresholds and filters; its phrases give way to ``text``.
    limits, region, progress, should_stop
        As for :func:`napari_segany.generate_masks`.

    Returns
    -------
    MaskSet
        Best first. ``classes`` holds the phrase and the score of each mask, and the best score of
        each phrase; :meth:`MaskSet.table` has them as columns. For a phrase without an object the
        log has a warning.

    Raises
    ------
    InputError
        If no text model is on this machine, or a phrase is too long for it.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> masks = segment_text(photograph, ["bicycle", "traffic light"])  # doctest: +SKIP
    """
    phrases = (text,) if isinstance(text, str) else tuple(text)
    loaded = load_model(model) if isinstance(model, (str, os.PathLike)) else model
    return generate_masks(
        loaded,
        image,
        replace(params or TextParams(), text=phrases),
        limits=limits,
        region=region,
        progress=progress,
        should_stop=should_stop,
    )
