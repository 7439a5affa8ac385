"""Search of one tile of a plane, with any generator."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.mask_classes import MaskClasses
from napari_segany.core.tiles import TileGrid
from napari_segany.errors import InputError
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import generate_masks
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.tiles.tile_candidates import TileCandidates
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.screening import Screen

BLANK_RANGE = 2
"""Difference of 8-bit intensities up to which a tile holds nothing."""


ClassifyTile = Callable[..., MaskClasses]
"""Returns the classes of the masks of a tile; called as ``classify_objects(model, pixels, masks,
embedding=..., should_stop=...)``, see :mod:`napari_segany.classification`."""


def is_blank(window: NDArray[np.uint8]) -> bool:
    """Tell if a tile shows nothing: all pixels have about the same colour."""
    return all(int(np.ptp(window[..., i])) <= BLANK_RANGE for i in range(window.shape[2]))


def params_in_tile(params: FilterRules) -> FilterRules:
    """Return the parameters with which a tile of a plane is searched.

    The largest mask is a part of the plane, so the bound is checked when tiles are joined. A
    finder searches no crops: the tile has the scale that was asked for. All tiles are searched by
    the finder that is named, as none tells what the plane looks like, and each is seen twice, so
    that objects depend less on where tiles begin.
    """
    whole = params.with_rules(max_area_fraction=1.0)
    if not isinstance(whole, FinderParams):
        return whole
    layers, views = whole.crop_n_layers or 0, whole.views_in_tiles
    return replace(whole, crop_n_layers=layers, finder_everywhere=True, views=views)


def check_rules(params: GeneratorParams) -> FilterRules:
    """Return the parameters of a generator that can search tiles.

    Raises
    ------
    InputError
        If its masks cannot be filtered again.
    """
    if not isinstance(params, FilterRules):
        raise InputError(f"The strategy {params.strategy!r} cannot search a plane in tiles.")
    return params


def find_tile(
    model: PromptableModel,
    window: NDArray[np.uint8],
    params: GeneratorParams,
    *,
    grid: TileGrid,
    number: int,
    level: int = 0,
    region: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    refilter: bool = True,
    classify: ClassifyTile | None = None,
) -> TileCandidates:
    """Find everything in one tile.

    Parameters
    ----------
    model : PromptableModel
        The model that answers prompts.
    window : ndarray
        (h, w, 3) uint8, the pixels of the tile, with the intensity limits of the whole plane.
    params : GeneratorParams
        Parameters of the search with everything filled in, as for the plane.
    grid : TileGrid
        The tiles of the level.
    number, level : int
        The tile and its level, see :class:`TileCandidates`.
    region : ndarray, optional
        (h, w) boolean; objects are searched for only inside it.
    progress, should_stop : callable, optional
        As for :func:`generate_masks`, within the tile.
    refilter : bool
        Keep candidates beyond the thresholds, too.
    classify : callable, optional
        Sorts all candidates into classes; the tile is embedded once for both.

    Returns
    -------
    TileCandidates
        In pixels of the plane; without any for a blank tile, and outside of the region.

    Raises
    ------
    InputError
        If the window has not the size of the tile.
    Cancelled
        If ``should_stop`` returned True.
    """
    box = grid.tile(number).box
    expected = (box[2] - box[0], box[3] - box[1])
    if window.shape != (*expected, 3):
        raise InputError(f"Tile {number} has shape {expected}, its pixels have {window.shape}.")
    rules = check_rules(params)
    if is_blank(window) or (region is not None and not region.any()):
        nothing = Screen(float("-inf"), float("-inf"), 1.0, rules.stability_score_offset)
        return TileCandidates.empty(grid.shape, level, number, nothing)
    ways: Any = {"progress": progress, "should_stop": should_stop, "refilter": refilter}
    # 8-bit colours pass unchanged.
    sort = None
    if classify is not None:
        embedding = model.embed(window, stages=True, should_stop=should_stop)
        about: Any = {"embedding": embedding, "should_stop": should_stop}
        ways["embedding"], sort = embedding, partial(classify, model, window, **about)
    found = generate_masks(model, window, params_in_tile(rules), region=region, **ways)
    return TileCandidates.of(found, grid, level, number, sort)
