"""Descriptors of the objects of a plane that is searched in tiles, tile by tile."""

import numpy as np

from napari_segany.classification.classify_masks import describe_objects
from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.mask_placing import place_in_window
from napari_segany.core.tiles import TileGrid
from napari_segany.generators.exemplars.descriptors import Descriptors
from napari_segany.generators.tiles.join_tiles import TiledCandidates
from napari_segany.generators.tiles.search_tiles import ReadWindow
from napari_segany.models.protocol import PromptableModel


def describe_in_tiles(
    model: PromptableModel,
    read: ReadWindow,
    grid: TileGrid,
    found: TiledCandidates,
    should_stop: ShouldStop | None = None,
) -> Descriptors:
    """Return the descriptors of candidates, each seen in the tile in which it was found.

    They are those by which a batch sorts the objects of a tile. Tiles without candidates are not
    read.

    Parameters
    ----------
    model : PromptableModel
        The model.
    read : callable
        Reads a window of the plane, with the intensity limits of the whole plane.
    grid : TileGrid
        The tiles of the first level.
    found : TiledCandidates
        The candidates.
    should_stop : callable, optional
        Polled often.

    Raises
    ------
    InputError
        If the model is on another machine.
    Cancelled
        If ``should_stop`` returned True.
    """
    parts, order = [], []
    own: TileGrid | None = grid
    before = 0
    for level in range(int(found.level.max(initial=0)) + 1):
        assert own is not None, "candidates of the level were found in its tiles"
        here = np.flatnonzero(found.level == level)
        for tile in np.unique(found.tile[here]).tolist():
            check(should_stop)
            numbers = here[found.tile[here] == tile]
            box = own.tile(tile - before).box
            masks = place_in_window(found.masks[numbers], box)
            parts.append(describe_objects(model, read(box), masks, should_stop=should_stop))
            order.append(numbers)
        before += len(own)
        own = own.coarser()
    if not parts:
        # Only the lengths of the features are wanted of these pixels.
        box = grid.tile(0).box
        return describe_objects(model, read(box), place_in_window(found.masks, box))
    return Descriptors.join(parts)[np.argsort(np.concatenate(order), kind="stable")]
