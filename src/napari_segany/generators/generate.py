"""Find every object of a plane with a model: the one entry to the generators."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.grid import generate
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.models.protocol import EmbeddedCrop, Embedding, PromptableModel


def generate_masks(
    model: PromptableModel,
    plane: ArrayLike,
    params: AutomaticParams | None = None,
    *,
    faithful: bool = False,
    limits: Limits | None = None,
    region: ArrayLike | None = None,
    embedding: Embedding | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    refilter: bool = True,
) -> MaskSet:
    """Find everything in a plane.

    Parameters
    ----------
    model : PromptableModel
        Which model finds the masks.
    plane : array_like
        (Y, X) or (Y, X, 3) of any boolean, integer or real floating type.
    params : AutomaticParams, optional
        What is left to None in them is taken from the model's own defaults.
    faithful : bool
        Reproduce the reference generator's set of masks: suppression by boxes, and none of
        the filters that the reference does not have.
    limits : tuple, optional
        Intensities that become black and white; see :func:`core.intensity.to_rgb`.
    region : array_like, optional
        (H, W); points are asked only where it is not zero.
    embedding : Embedding, optional
        This plane's embedding if there is one already; crops are always embedded anew.
    progress : callable, optional
        Called with points done and points in all.
    should_stop : callable, optional
        Polled between encoder blocks and between batches of points.
    refilter : bool
        Also keep candidates somewhat beyond the thresholds, so that :meth:`MaskSet.filter` can
        choose again. The masks returned are the same; without, they come a little sooner.

    Returns
    -------
    MaskSet
        Best first.

    Raises
    ------
    InputError
        If the plane holds no image or ``region`` does not fit it.
    Cancelled
        If ``should_stop`` returned True.
    """
    rgb = to_rgb(plane, limits)
    if embedding is not None:
        model.check_embedding(embedding)
        if embedding.shape != rgb.shape[:2]:
            raise InputError(
                f"The embedding is of a plane of shape {embedding.shape}, "
                f"this plane has shape {rgb.shape[:2]}."
            )
    chosen = resolve_params(model, params)
    if faithful:
        chosen = chosen.as_reference()

    def embed(crop: NDArray[np.uint8]) -> EmbeddedCrop:
        whole = embedding is not None and crop.shape == rgb.shape
        known = embedding if whole else None
        return model.prepare(known or model.embed(crop, should_stop=should_stop))

    return generate(
        rgb,
        embed,
        chosen,
        region=None if region is None else np.asarray(region).astype(bool),
        progress=progress,
        should_stop=should_stop,
        refilter=refilter,
        faithful=faithful,
    )


def resolve_params(
    model: PromptableModel, params: AutomaticParams | None = None
) -> AutomaticParams:
    """Automatic parameters with the model's own defaults filled in."""
    own = model.defaults
    return (params or AutomaticParams()).resolved(
        own.pred_iou_thresh, own.stability_score_thresh, own.min_area
    )
