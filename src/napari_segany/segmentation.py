"""Automatic segmentation of planes and stacks, for Python, command line and docks alike."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.classification.class_set import ClassSet
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.display import EMPTY, Normalise, as_display, combine
from napari_segany.core.intensity import PERCENTILES, check_limits
from napari_segany.core.label_images import shift_ids
from napari_segany.core.masks import MaskSet
from napari_segany.core.planes import Range, StackLayout, guess_axes
from napari_segany.core.rasterize import paint
from napari_segany.core.region import check_region
from napari_segany.core.sequences import as_array, listed
from napari_segany.errors import BlankPlaneError
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.tile_params import AUTO_TILES, TileParams
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.linked_stack import LinkedStack
from napari_segany.linking.tracks.laptrack_solver import check_installed
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.linking.tracks.tracked_stack import (
    TrackedStack,
    check_time,
    frames_of_planes,
    frames_of_volumes,
)
from napari_segany.models.multi_view import with_views
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.registry import load_model
from napari_segany.models.searching import searching_model
from napari_segany.plane_search import (
    find_masks,
    find_parts,
    link_parts,
    progress_over_planes,
)
from napari_segany.recipe import LabelParams, Recipe, machine
from napari_segany.tiled_planes import resolve_tiles

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PlaneResult:
    """The segmentation of one plane.

    Attributes
    ----------
    index : tuple of int
        Place of the plane along the leading axes.
    image : ndarray
        The plane as it was read, (Y, X) or (Y, X, 3).
    labels : ndarray
        (Y, X) of an integer type that holds them; ids start at 1 on every plane.
    masks : MaskSet
        The mask of each id, in order.
    """

    index: tuple[int, ...]
    image: NDArray[np.generic]
    labels: NDArray[np.integer]
    masks: MaskSet


def make_recipe(
    model: PromptableModel,
    params: GeneratorParams | None = None,
    labels: LabelParams | None = None,
    *,
    faithful: bool = False,
    axes: str = "",
    channels: tuple[int, ...] = (0,),
    normalise: Normalise = "plane",
    planes: tuple[Range, ...] = (),
    link: LinkParams | None = None,
    tracks: TrackParams | None = None,
    tiles: TileParams | None = None,
    classes: ClassSet | None = None,
) -> Recipe:
    """Make a recipe with everything resolved for ``model`` on the machine that it is on."""
    own = searching_model(model)
    return Recipe(
        model=model.id,
        weights_sha256=model.weights.sha256,
        params=resolve_params(model, params, faithful=faithful),
        labels=labels or LabelParams(),
        faithful=faithful,
        axes=axes,
        channels=channels,
        normalise=normalise,
        planes=planes,
        link=link,
        tracks=tracks,
        tiles=tiles,
        classes=classes,
        precision=model.precision,
        device_kind=model.device.type,
        **(machine() if own is None else own.machine),
    )


def resolve_stack(data: Any, recipe: Recipe) -> tuple[StackLayout, Recipe]:
    """Settle the axes and the intensity limits of ``data``, which may be lazy.

    Returns the layout, and the recipe with both written into it.
    """
    shape = tuple(int(n) for n in data.shape)
    layout = StackLayout(recipe.axes or guess_axes(shape), shape, recipe.channels)
    layout = layout.restricted(recipe.planes)
    display = as_display(recipe.normalise)
    display.check_channels(len(layout.channels) if "C" in layout.axes else layout.colours)
    limits = display.limits
    if limits == "stack":
        limits = layout.limits(data, PERCENTILES)
    elif limits != "plane":
        if len(layout.channels) == len(limits) == 2:
            limits = (*limits, EMPTY)
        limits = check_limits(limits if len(limits) > 1 else limits[0], layout.colours)
    normalise = combine(limits, display.gamma, display.colours)
    settled = replace(recipe, axes=layout.axes, normalise=normalise, planes=layout.ranges)
    return layout, settled


def segment_planes(
    data: Any,
    layout: StackLayout,
    recipe: Recipe,
    model: PromptableModel,
    *,
    region: NDArray[np.generic] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[PlaneResult]:
    """Segment plane after plane, reading each only when its turn comes.

    Parameters
    ----------
    data, layout, recipe
        The stack, and the results of :func:`resolve_stack`.
    region : ndarray, optional
        (Y, X), or of the shape of the labels; points are prompted only where it is above zero.
    progress : callable, optional
        Called with points done and points in all, over the whole stack.
    should_stop : callable, optional
        Polled all the time.

    Yields
    ------
    PlaneResult
        Empty, with a warning in the log, for a plane of a stack that is blank.
    """
    check_region(region, layout)
    report = progress_over_planes(progress, layout, recipe, region)
    for number, index in enumerate(layout.chosen()):
        try:
            yield segment_plane(
                data,
                layout,
                recipe,
                model,
                index,
                region=region,
                progress=None if report is None else report[number],
                should_stop=should_stop,
            )
        except BlankPlaneError as error:
            if layout.chosen_count == 1:
                raise
            logger.warning("%s Its labels are empty.", error)
            size = layout.labels_shape[-2], layout.labels_shape[-1]
            labels = np.zeros(size, np.int32)
            yield PlaneResult(index, layout.plane(data, index), labels, MaskSet.empty(size))


def segment_plane(
    data: Any,
    layout: StackLayout,
    recipe: Recipe,
    model: PromptableModel,
    index: tuple[int, ...],
    *,
    region: NDArray[np.generic] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> PlaneResult:
    """Segment the plane at ``index``; the rest is as for :func:`segment_planes`.

    Raises
    ------
    PlaneError
        If the plane cannot be read, or is blank.
    """
    ways: Any = {"region": region, "progress": progress, "should_stop": should_stop}
    image, masks = find_masks(data, layout, recipe, model, index, **ways)
    labels, source = paint(masks, **asdict(recipe.labels))
    return PlaneResult(index, image, labels, masks[source])


def link_stack(
    data: Any,
    layout: StackLayout,
    recipe: Recipe,
    model: PromptableModel,
    *,
    region: NDArray[np.generic] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> LinkedStack:
    """Segment every plane, and link the objects as ``recipe.link`` says; see `segment_planes`."""
    check_region(region, layout)
    report = progress_over_planes(progress, layout, recipe, region)
    found = {}
    for number, index in enumerate(layout.chosen()):
        advance = None if report is None else report[number]
        ways: Any = {"region": region, "progress": advance, "should_stop": should_stop}
        try:
            found[index] = find_parts(data, layout, recipe, model, index, **ways)
        except BlankPlaneError as error:
            logger.warning("%s Its labels are empty.", error)
    return link_parts(layout, recipe, found.get, should_stop)


def track_stack(
    data: Any,
    layout: StackLayout,
    recipe: Recipe,
    model: PromptableModel,
    pixel_size: Mapping[str, tuple[float, str]],
    *,
    region: NDArray[np.generic] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> TrackedStack:
    """Segment every plane, and link the objects over time as ``recipe.tracks`` says.

    Objects are linked to volumes first if the recipe says so, too; see `segment_planes`.
    """
    params = recipe.tracks or TrackParams()
    check_time(layout, recipe.link is not None)
    check_installed(params)
    ways: Any = {"region": region, "progress": progress, "should_stop": should_stop}
    if recipe.link is not None:
        volumes = link_stack(data, layout, recipe, model, **ways)
        frames = frames_of_volumes(layout, volumes)
    else:
        planes = segment_planes(data, layout, recipe, model, **ways)
        found = {plane.index: plane.labels for plane in planes}
        frames = frames_of_planes(layout, found.get)
    return TrackedStack(layout, frames, params, pixel_size, should_stop=should_stop)


def segment_everything(
    image: ArrayLike,
    axes: str | None = None,
    model: PromptableModel | str | os.PathLike[str] = "auto",
    params: GeneratorParams | None = None,
    *,
    labels: LabelParams | None = None,
    channels: int | tuple[int, ...] = 0,
    normalise: Normalise = "plane",
    region: ArrayLike | None = None,
    faithful: bool = False,
    link: LinkParams | None = None,
    tracks: TrackParams | None = None,
    tiles: TileParams | None = AUTO_TILES,
    pixel_size: Mapping[str, tuple[float, str]] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.int32]:
    """Find everything in an image or in every plane of a stack.

    Parameters
    ----------
    image : array_like
        2-D to 5-D; numpy, dask or zarr, read plane by plane. An iterable of planes is put together.
    axes : str, optional
        One letter a dimension of T, Z, C, Y, X and S (colour), for example "TYX". By default
        guessed from the shape: (Y, X), (Y, X, colour), (Z, Y, X), ...
    model : PromptableModel, str or path
        A loaded model or what :func:`load_model` takes.
    params : AutomaticParams or other GeneratorParams, optional
        The generator and how it finds objects; by default the finder if one fits the model, else
        the grid.
    labels : LabelParams, optional
        Rules for painting masks as labels.
    channels : int or tuple of int
        The channel to look at, or two or three to be seen as red, green and blue.
    normalise : "plane", "stack", tuple or Display
        Source of intensity limits, or the limits themselves, one (low, high) a channel; a
        :class:`Display` has gamma and colours, too.
    region : array_like, optional
        (Y, X), or of the shape of the result; points are prompted only where it is not zero.
    faithful : bool
        Reproduce the published code's set of masks.
    link : LinkParams, optional
        Link the objects of planes into objects of a volume; without, each plane has its own.
    tracks : TrackParams, optional
        Link the objects of frames, or of volumes, into tracks over time.
    tiles : TileParams, optional
        Tiles of large planes; None searches every plane as a whole.
    pixel_size : mapping, optional
        Size and unit of a step along axes, for distances of ``tracks``.
    progress, should_stop : callable, optional
        Called with points done and in all; polled to end early.

    Returns
    -------
    ndarray
        int32 labels with the axes of ``image`` less channel and colour; ids are unique over the
        whole stack, in plane order. With ``link`` an object has one id in all its planes, with
        ``tracks`` in all its frames.

    Raises
    ------
    InputError
        If the data, axes or parameters cannot be used.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> labels = segment_everything(stack, axes="TYX")  # doctest: +SKIP
    """
    loaded = load_model(model) if isinstance(model, (str, os.PathLike)) else model
    # Recipes know no views of prompts.
    loaded = with_views(loaded, 1)
    recipe = make_recipe(
        loaded,
        params,
        labels,
        faithful=faithful,
        axes=axes or "",
        channels=tuple(channels) if isinstance(channels, Iterable) else (channels,),
        normalise=normalise,
        link=link,
        tracks=tracks,
        tiles=tiles,
    )
    return label_everything(
        as_array(image),
        recipe,
        loaded,
        region=region,
        pixel_size=pixel_size,
        progress=progress,
        should_stop=should_stop,
    )


def label_everything(
    data: Any,
    recipe: Recipe,
    model: PromptableModel,
    *,
    axes: str | None = None,
    region: ArrayLike | None = None,
    pixel_size: Mapping[str, tuple[float, str]] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.int32]:
    """Segment everything with the parameters of a recipe, and return the labels.

    Parameters
    ----------
    data, region, pixel_size, progress, should_stop
        As for :func:`segment_everything`.
    recipe, model
        The parameters, and the model with their weights.
    axes : str, optional
        In place of the recipe's.
    """
    layout, settled = resolve_stack(data, recipe if axes is None else replace(recipe, axes=axes))
    settled = resolve_tiles(data, layout, settled, model, should_stop)
    where = None if region is None else np.asarray(listed(region))
    ways: Any = {"region": where, "progress": progress, "should_stop": should_stop}
    if settled.tracks is not None:
        return track_stack(data, layout, settled, model, pixel_size or {}, **ways).labels()
    if settled.link is not None:
        return link_stack(data, layout, settled, model, **ways).labels()
    out = np.zeros(layout.labels_shape, np.int32)
    last = 0
    for result in segment_planes(data, layout, settled, model, **ways):
        out[result.index] = shift_ids(result.labels, last)
        last += len(result.masks)
    return out
