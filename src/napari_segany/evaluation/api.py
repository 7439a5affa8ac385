"""Evaluation on arrays, for scripts and notebooks; :mod:`evaluation.run` reads files."""

import warnings
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits
from napari_segany.errors import InputError
from napari_segany.evaluation.click_metrics import InteractiveModel
from napari_segany.evaluation.run import PlaneEvaluation, check_names, predictor_name
from napari_segany.evaluation.summary import EvaluationSummary, summarise
from napari_segany.evaluation.tasks import EvaluationSettings, measure_plane
from napari_segany.models.protocol import PromptableModel


def evaluate(
    images: Iterable[ArrayLike],
    truth: Iterable[ArrayLike],
    predictors: PromptableModel | InteractiveModel | Iterable[PromptableModel | InteractiveModel],
    settings: EvaluationSettings | None = None,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, EvaluationSummary]:
    """Measure models on planes with ground truth.

    Parameters
    ----------
    images : iterable of array_like
        (H, W) or (H, W, 3) each.
    truth : iterable of array_like
        (H, W) labels of each, 0 for background. One that does not tell objects apart, such as a
        mask of 0 and 255, is warned of; see ``settings.binary_truth``.
    predictors : PromptableModel or InteractiveModel, or an iterable of them
        Models to measure. An interactive model that is no PromptableModel does clicks only.
    settings : EvaluationSettings, optional
        Settings; clicks, boxes and automatic segmentation by default.
    limits : tuple, optional
        Intensities that become black and white.
    progress, should_stop : callable, optional
        Called with planes done and in all, over all predictors; polled to end early.

    Returns
    -------
    dict
        An :class:`EvaluationSummary` by the name of each model; ``scores()`` has all of them.

    Raises
    ------
    InputError
        If images and truth do not fit.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> from napari_segany.evaluation.interactive_models import WatershedModel
    >>> truth = np.zeros((64, 64), int)
    >>> truth[20:40, 20:44] = 1
    >>> image = np.where(truth, 200, 40).astype(np.uint8)
    >>> settings = EvaluationSettings(tasks=("clicks",), clicks=2)
    >>> found = evaluate([image], [truth], WatershedModel(), settings)
    >>> round(found["watershed"].scores()["mIoU@1"], 1)
    1.0
    """
    images, truth = tuple(images), tuple(truth)
    if len(images) != len(truth):
        raise InputError(f"There are {len(images)} images and {len(truth)} truths.")
    models = list(predictors) if isinstance(predictors, Iterable) else [predictors]
    check_names(models)
    settings = settings or EvaluationSettings()
    if "edges" in settings.tasks:
        raise InputError(
            "Edges are measured by evaluation.boundary_metrics.count_boundaries, on boundaries."
        )
    if "volumes" in settings.tasks:
        raise InputError("Volumes are measured by evaluation.volumes.measure_volumes, on stacks.")
    if "propagation" in settings.tasks:
        raise InputError(
            "Propagation is measured by evaluation.propagation_scores.measure_propagation."
        )
    if "tracks" in settings.tasks:
        raise InputError("Tracks are measured by evaluation.track_metrics.score_tracks, on movies.")
    measured, total = [], len(models) * len(images)
    for each in models:
        for number, (image, labels) in enumerate(zip(images, truth, strict=True)):
            values = measure_plane(
                each, np.asarray(image), np.asarray(labels), settings, limits, should_stop
            )
            if (noticed := values.get("binary_truth")) and each is models[0]:
                warnings.warn(
                    f"Truth {number} holds {noticed}; each value counts as one object. Give "
                    'EvaluationSettings(binary_truth="components") to count each part, or "one" if '
                    "this is meant.",
                    stacklevel=2,
                )
            measured.append(PlaneEvaluation(predictor_name(each), str(number), (), values))
            if progress is not None:
                progress(len(measured), total)
    return summarise(measured)
