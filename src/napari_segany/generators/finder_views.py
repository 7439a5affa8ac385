"""Maps of a plane that is shown to the model as it is, and turned by 180 degrees as well.

An encoder draws the same object a little differently at another place of its frame. Turned, every
object lies at another place, and the mean of both maps depends less on it.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.plane_flips import TURNED
from napari_segany.models.finder import CELL, FinderModel, ObjectMaps
from napari_segany.models.protocol import PromptableModel

MAPS = tuple(each.name for each in fields(ObjectMaps) if each.name != "frame")
"""Names of the maps."""


def with_turned_view(
    maps: ObjectMaps,
    model: PromptableModel,
    finder: FinderModel,
    pixels: NDArray[np.uint8],
    should_stop: ShouldStop | None = None,
) -> ObjectMaps:
    """Return the mean of the maps of a plane and of those that it has when it is turned.

    Parameters
    ----------
    maps : ObjectMaps
        Maps of the plane as it is.
    model : PromptableModel
        The model that embeds the turned plane.
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
    turned = np.ascontiguousarray(TURNED.plane(pixels))
    embedding = model.embed(turned, stages=True, should_stop=should_stop)
    seen = finder.predict_maps(embedding, turned, should_stop=should_stop)
    return mean_maps(maps, turn_maps(seen))


def turn_maps(maps: ObjectMaps) -> ObjectMaps:
    """Return the maps of a plane turned by 180 degrees, on the cells of the plane as it is.

    Where a side of the plane is no whole number of cells, values are linear between them.
    """
    cells = maps.frame.side // CELL
    turned: dict[str, Any] = {n: TURNED.cells(getattr(maps, n), maps.frame, cells) for n in MAPS}
    return replace(maps, **turned)


def mean_maps(one: ObjectMaps, two: ObjectMaps) -> ObjectMaps:
    """Return the mean of two maps of the same plane, cell by cell."""
    half = np.float32(0.5)
    return replace(one, **{n: (getattr(one, n) + getattr(two, n)) * half for n in MAPS})
