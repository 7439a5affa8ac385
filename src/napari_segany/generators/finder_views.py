"""Maps of a plane that is shown to the model as it is, and as its mirror images as well.

An encoder draws the same object a little differently at another place of its frame, and mirrored.
The mean of the maps of several views depends less on it.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.plane_flips import FLIPS, Flip
from napari_segany.models.finder import CELL, FinderModel, ObjectMaps
from napari_segany.models.protocol import PromptableModel

MAPS = tuple(each.name for each in fields(ObjectMaps) if each.name != "frame")
"""Names of the maps."""


def with_mirror_views(
    maps: ObjectMaps,
    views: int,
    model: PromptableModel,
    finder: FinderModel,
    pixels: NDArray[np.uint8],
    should_stop: ShouldStop | None = None,
) -> ObjectMaps:
    """Return the mean of the maps of a plane and of those of its mirror images.

    Parameters
    ----------
    maps : ObjectMaps
        Maps of the plane as it is.
    views : int
        1 to 4: the plane as it is, turned by 180 degrees, and mirrored along columns and rows.
    model : PromptableModel
        The model that embeds the mirror images.
    finder : FinderModel
        The finder.
    pixels : ndarray
        (H, W, 3) uint8, the plane as it is.
    should_stop : callable, optional
        Polled often.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True.
    """
    seen = [maps]
    for flip in FLIPS[: views - 1]:
        mirrored = np.ascontiguousarray(flip.plane(pixels))
        embedding = model.embed(mirrored, stages=True, should_stop=should_stop)
        found = finder.predict_maps(embedding, mirrored, should_stop=should_stop)
        seen.append(flip_maps(found, flip))
    return mean_maps(seen)


def flip_maps(maps: ObjectMaps, flip: Flip) -> ObjectMaps:
    """Return the maps of a mirror image of a plane, on the cells of the plane as it is.

    Where a side of the plane is no whole number of cells, values are linear between them.
    """
    cells = maps.frame.side // CELL
    flipped: dict[str, Any] = {n: flip.cells(getattr(maps, n), maps.frame, cells) for n in MAPS}
    return replace(maps, **flipped)


def mean_maps(views: Sequence[ObjectMaps]) -> ObjectMaps:
    """Return the mean of maps of the same plane, cell by cell; that of one are these maps."""
    if len(views) == 1:
        return views[0]
    part = np.float32(1 / len(views))
    every = {n: [getattr(maps, n) for maps in views] for n in MAPS}
    means: dict[str, Any] = {n: sum(maps[1:], maps[0]) * part for n, maps in every.items()}
    return replace(views[0], **means)
