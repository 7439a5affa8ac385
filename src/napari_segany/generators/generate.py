"""Find every object of a plane with a model: the one entry to the generators."""

from typing import TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.default_params import DefaultParams
from napari_segany.generators.grid import GridGenerator
from napari_segany.generators.parameters import check_faithful
from napari_segany.generators.protocol import GeneratorParams, MaskGenerator
from napari_segany.generators.registry import make_generator
from napari_segany.models.protocol import Embedding, PromptableModel

Params = TypeVar("Params", bound=GeneratorParams)


def generate_masks(
    model: PromptableModel,
    plane: ArrayLike,
    params: GeneratorParams | None = None,
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
        The model that answers prompts.
    plane : array_like
        (Y, X) or (Y, X, 3) of any boolean, integer or real floating type.
    params : AutomaticParams or other GeneratorParams, optional
        Their ``strategy`` names the generator. Values of None are taken from the model's own
        defaults. By default the finder, if one fits the model, and the grid of points elsewhere.
    faithful : bool
        Reproduce the published code's set of masks: suppression by boxes, and none of the
        filters that the published code does not have. Only with the point generators.
    limits : tuple, optional
        Intensities that become black and white; see :func:`core.intensity.to_rgb`.
    region : array_like, optional
        (H, W); objects are searched for only where it is not zero.
    embedding : Embedding, optional
        The plane's embedding if it exists already; crops are always embedded anew.
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
    generator = choose_generator(resolve_params(model, params, faithful=faithful), faithful)
    return generator.find(
        model,
        rgb,
        region=None if region is None else np.asarray(region).astype(bool),
        embedding=embedding,
        progress=progress,
        should_stop=should_stop,
        refilter=refilter,
    )


def choose_generator(params: GeneratorParams, faithful: bool = False) -> MaskGenerator:
    """Return the generator of resolved parameters; ``faithful`` makes it the published one.

    Raises
    ------
    InputError
        If ``faithful`` is given with another than a point generator.
    """
    if not faithful:
        return make_generator(params)
    return GridGenerator(check_faithful(params).as_reference(), faithful=True)


@overload
def resolve_params(model: PromptableModel, params: Params, *, faithful: bool = False) -> Params: ...


@overload
def resolve_params(
    model: PromptableModel, params: GeneratorParams | None = None, *, faithful: bool = False
) -> GeneratorParams: ...


def resolve_params(
    model: PromptableModel, params: GeneratorParams | None = None, *, faithful: bool = False
) -> GeneratorParams:
    """Return a generator's parameters with the model's own defaults filled in.

    Parameters
    ----------
    model : PromptableModel
        The model.
    params : GeneratorParams, optional
        The parameters. None, and :class:`DefaultParams`, are those of the finder where one fits
        the model, and of the grid elsewhere.
    faithful : bool
        Leave the strategy to no finder: only the point generators can be faithful.
    """
    params = DefaultParams() if params is None else params
    if isinstance(params, DefaultParams):
        params = params.choose(not faithful and has_finder(model))
    own = model.defaults
    return params.resolved(own.pred_iou_thresh, own.stability_score_thresh, own.min_area)


def has_finder(model: PromptableModel) -> bool:
    return False
