"""Find every object of a plane with a model: the one entry to the generators."""

from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.default_params import DefaultParams
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.grid import GridGenerator
from napari_segany.generators.parameters import AutomaticParams, check_faithful
from napari_segany.generators.protocol import GeneratorParams, MaskGenerator
from napari_segany.generators.registry import make_generator
from napari_segany.models.finder import find_finder
from napari_segany.models.multi_view import in_one_view, with_views
from napari_segany.models.protocol import Embedding, PromptableModel, check_loaded
from napari_segany.models.searching import searching_model

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
        defaults, or the finder's. By default those of the finder if one fits the model, else
        those of the grid.
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
        If the plane holds no image or ``region`` does not fit it, or a finder is needed that is
        not here.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> masks = generate_masks(load_model("minisam"), skimage.data.coins())
    >>> labels = masks.filter(pred_iou_thresh=0.9).to_labels(min_area=30)
    """
    check_loaded(model)
    rgb = to_rgb(plane, limits)
    # Recipes know no views of prompts: generators see planes as they are.
    model = with_views(model, 1)
    if embedding is not None:
        embedding = in_one_view(embedding)
        _check_embedding(model, embedding, rgb)
    resolved = resolve_params(model, params, faithful=faithful)
    ways: Any = {
        "region": None if region is None else np.asarray(region).astype(bool),
        "embedding": embedding,
        "progress": progress,
        "should_stop": should_stop,
        "refilter": refilter,
    }
    own = searching_model(model)
    if own is not None:
        return own.search(rgb, resolved, faithful=faithful, **ways)
    return choose_generator(resolved, faithful).find(model, rgb, **ways)


def _check_embedding(model: PromptableModel, embedding: Embedding, rgb: NDArray[np.uint8]) -> None:
    model.check_embedding(embedding)
    if embedding.shape != rgb.shape[:2]:
        raise InputError(
            f"The embedding is of a plane of shape {embedding.shape}, "
            f"this plane has shape {rgb.shape[:2]}."
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


def usual_params(
    model: PromptableModel, faithful: bool = False, given: DefaultParams | None = None
) -> FinderParams | AutomaticParams:
    """Return the parameters that are used when no strategy is given, with None for a model's own.

    Those of the finder if an installed finder fits the model, else those of the grid; ``faithful``
    needs the grid. ``given`` holds values that are not the defaults.
    """
    own = searching_model(model)
    fits = not faithful and (find_finder(model) is not None if own is None else own.finder_fits)
    return (given or DefaultParams()).choose(fits)


@overload
def resolve_params(model: PromptableModel, params: Params, *, faithful: bool = ...) -> Params: ...


@overload
def resolve_params(
    model: PromptableModel, params: GeneratorParams | None = None, *, faithful: bool = ...
) -> GeneratorParams: ...


def resolve_params(
    model: PromptableModel, params: GeneratorParams | None = None, *, faithful: bool = False
) -> GeneratorParams:
    """Return a generator's parameters with everything filled in that a model decides.

    Parameters
    ----------
    model : PromptableModel
        The model that answers prompts.
    params : GeneratorParams, optional
        By default, and in place of :class:`DefaultParams`, those of :func:`usual_params`.
    faithful : bool
        True for the published code's set of masks, which the default then is able to give.

    Raises
    ------
    InputError
        If the parameters are a finder's, and it is not here or does not fit the model.
    """
    if params is None or isinstance(params, DefaultParams):
        params = usual_params(model, faithful, params)
    own = searching_model(model)
    resolved: GeneratorParams = params.resolved_for(model) if own is None else own.resolve(params)
    return resolved
