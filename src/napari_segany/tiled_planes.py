"""Planes of stacks that are searched in tiles: what tiles there are, and the search of a plane."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.display import as_display, combine
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.masks import MaskSet
from napari_segany.core.notes import note
from napari_segany.core.plane_sample import plane_limits
from napari_segany.core.planes import StackLayout
from napari_segany.core.tiles import Box
from napari_segany.errors import BlankPlaneError
from napari_segany.generators.generate import choose_generator
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.text_params import TextParams
from napari_segany.generators.tile_params import AUTO_TILES, TileParams, searched_size
from napari_segany.generators.tiles.find_tile import ClassifyTile
from napari_segany.generators.tiles.object_size import SizeEstimate, estimate_object_size
from napari_segany.generators.tiles.search_tiles import OnTile, ReadWindow, search_tiles
from napari_segany.models.object_size import FRAME_SIDE, SEARCHED_OBJECT_SIZE
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe

logger = logging.getLogger(__name__)


def tiles_of(recipe: Recipe, shape: tuple[int, int]) -> TileParams | None:
    """Return the tiles of a plane of ``shape`` (H, W); None where it is searched as a whole.

    The published set of masks, and objects of a volume from maps, are those of whole planes; so are
    objects that phrases name, unless something about tiles was chosen.
    """
    from_maps = recipe.link is not None and recipe.link.link_from == "maps"
    if recipe.faithful or from_maps or recipe.product != "labels":
        return None
    return tiles_of_search(recipe.tiles, recipe.params, shape)


def tiles_of_search(
    tiles: TileParams | None, params: GeneratorParams, shape: tuple[int, int]
) -> TileParams | None:
    """Return the tiles of a search of a plane of ``shape`` (H, W); None for a whole plane."""
    # Phrases name objects of photographs, which are as large as the picture.
    named = params.strategy == TextParams.strategy and tiles == AUTO_TILES
    return None if tiles is None or named or not tiles.applies_to(shape) else tiles


def settle_tiles(
    tiles: TileParams,
    model: PromptableModel,
    params: GeneratorParams,
    shape: tuple[int, int],
    readers: Iterable[Callable[[], ReadWindow]],
    should_stop: ShouldStop | None = None,
) -> tuple[TileParams, SizeEstimate | None]:
    """Return tiles with numbers for everything, and what the size of objects was estimated from.

    Parameters
    ----------
    tiles : TileParams
        The tiles; what is None in them is settled.
    model, params
        Model and parameters of the search.
    shape : tuple of int
        (H, W) of the planes.
    readers : iterable of callable
        For each plane a function that returns a reader of its windows, or raises
        :class:`BlankPlaneError`. The first plane that is not blank is looked at, and only where
        the size is not given.
    should_stop : callable, optional
        Polled while the size is estimated.

    Returns
    -------
    tuple
        The tiles; and the estimate, None where there was none to make. It has no side of its own
        if the side is given.

    Raises
    ------
    PlaneError
        If the plane cannot be read.
    Cancelled
        If ``should_stop`` returned True.
    """
    if tiles.object_size is not None:
        return tiles.resolved(params), None
    if None not in (tiles.tile_side, tiles.tile_overlap):
        size = round((tiles.tile_side or 0) * searched_size(params) / FRAME_SIDE, 1)
        return replace(tiles, object_size=size).resolved(params), None
    estimate = None
    for make_reader in readers:
        try:
            read = make_reader()
        except BlankPlaneError:
            continue
        estimate = estimate_object_size(model, read, shape, params, should_stop)
        if tiles.tile_side is not None:
            estimate = replace(estimate, side=None, usual_side=None)
        break
    size = SEARCHED_OBJECT_SIZE if estimate is None else estimate.size
    side = tiles.tile_side or (None if estimate is None else estimate.side)
    return replace(tiles, object_size=size, tile_side=side).resolved(params), estimate


def resolve_tiles(
    data: Any,
    layout: StackLayout,
    recipe: Recipe,
    model: PromptableModel,
    should_stop: ShouldStop | None = None,
) -> Recipe:
    """Return a recipe with numbers for everything about its tiles.

    The size of objects is estimated on the first plane that is not blank, if it is not given. What
    was chosen is said, with the options that choose otherwise.

    Parameters
    ----------
    data, layout, recipe
        The stack, and the results of :func:`napari_segany.segmentation.resolve_stack`.
    model : PromptableModel
        The model.
    should_stop : callable, optional
        Polled while the size is estimated.

    Returns
    -------
    Recipe
        ``tiles`` are None if the planes are searched as a whole.

    Raises
    ------
    PlaneError
        If the plane cannot be read.
    Cancelled
        If ``should_stop`` returned True.
    """
    shape = layout.labels_shape[-2], layout.labels_shape[-1]
    tiles = tiles_of(recipe, shape)
    if tiles is None or tiles.is_resolved:
        return replace(recipe, tiles=tiles)
    readers = (
        lambda index=index: window_reader(data, layout, recipe, index) for index in layout.chosen()
    )
    tiles, estimate = settle_tiles(tiles, model, recipe.params, shape, readers, should_stop)
    if estimate is not None and estimate.objects:
        note(
            logger,
            "the size of objects is estimated as %g pixels, from %d of them; give another "
            "with --object-size",
            estimate.size,
            estimate.objects,
        )
    elif estimate is not None:
        note(
            logger,
            "no object was found whose size could tell the scale, %g pixels are assumed; give "
            "the size with --object-size",
            estimate.size,
        )
    if estimate is not None and estimate.side is not None:
        note(
            logger,
            "a first look found more in tiles of %d pixels than in those of %d pixels that the "
            "size asks for, of which there would be %d; give another side with --tile-side",
            estimate.side,
            estimate.usual_side,
            replace(tiles, tile_side=estimate.usual_side).grid(shape).count,
        )
    grid = tiles.grid(shape)
    note(
        logger,
        "planes of %d x %d pixels are searched in %d tiles of %s pixels; --tiles off searches "
        "them as a whole",
        *shape,
        grid.count,
        " and ".join(str(each.side) for each in grid.covering),
    )
    return replace(recipe, tiles=tiles)


def window_reader(
    data: Any, layout: StackLayout, recipe: Recipe, index: tuple[int, ...]
) -> ReadWindow:
    """Return a function that reads windows of a plane as the model sees them.

    Limits that are the plane's own come from a sample of it, so that all windows have the same.

    Raises
    ------
    BlankPlaneError
        If no pixel of the sample is a finite number.
    PlaneError
        If the plane cannot be read.
    """
    limits = with_plane_limits(data, layout, recipe, index).limits
    return rgb_reader(lambda box: layout.window(data, index, box), limits)


def with_plane_limits(
    data: Any, layout: StackLayout, recipe: Recipe, index: tuple[int, ...]
) -> Recipe:
    """Return a recipe that has the intensity limits of one plane, from a sample of it, as numbers.

    Limits that it has stay, and 8-bit colours have none.

    Raises
    ------
    BlankPlaneError
        If no pixel of the sample is a finite number.
    PlaneError
        If the plane cannot be read.
    """
    display = as_display(recipe.normalise)
    pairs = plane_limits(data, layout, index) if display.pairs is None else None
    if pairs is None:
        return recipe
    return replace(recipe, normalise=combine(pairs, display.gamma, display.colours))


def rgb_reader(read: Callable[[Box], NDArray[np.generic]], limits: Limits | None) -> ReadWindow:
    """Return a function that reads windows as 8-bit RGB; where no pixel is finite it is black."""

    def read_rgb(box: Box) -> NDArray[np.uint8]:
        window = read(box)
        if window.dtype.kind == "f" and not np.isfinite(window).any():
            return np.zeros((*window.shape[:2], 3), np.uint8)
        return to_rgb(window, limits)

    return read_rgb


def find_in_tiles(
    data: Any,
    layout: StackLayout,
    recipe: Recipe,
    model: PromptableModel,
    index: tuple[int, ...],
    *,
    region: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    refilter: bool = False,
    on_tile: OnTile | None = None,
    classify: ClassifyTile | None = None,
) -> MaskSet:
    """Return the masks of a plane that is searched in tiles, and read window by window.

    Parameters are those of :func:`napari_segany.plane_search.find_masks`; ``on_tile`` is called
    with the candidates of each tile, and ``classify`` sorts them, see :func:`find_tile`.

    Raises
    ------
    PlaneError
        If the plane cannot be read, or is blank.
    """
    tiles = (resolve_tiles(data, layout, recipe, model, should_stop)).tiles
    assert tiles is not None, "the plane is searched in tiles"
    shape = layout.labels_shape[-2], layout.labels_shape[-1]
    total = choose_generator(recipe.params, recipe.faithful).count_steps(shape, region)

    def advance(done: int, of: int) -> None:
        assert progress is not None
        progress(total if done == of else total * done // of, total)

    return search_tiles(
        model,
        window_reader(data, layout, recipe, index),
        tiles.grid(shape),
        recipe.params,
        region=region,
        progress=None if progress is None else advance,
        should_stop=should_stop,
        refilter=refilter,
        on_tile=on_tile,
        classify=classify,
    )
