"""Strokes of the brush and the eraser in the preview, which paint on the mask of an object."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.session.labels_target import Box
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject

NOTHING_TO_PAINT = "Click on an object first; brush and eraser correct its mask."


def painted_box(changes: Iterable[Any], shape: tuple[int, ...]) -> Box:
    """Return the part of a labels layer that was painted in.

    Parameters
    ----------
    changes : iterable
        Value of napari's event: the changes of one stroke, each with a box, or with indices of
        pixels first.
    shape : tuple of int
        Shape of the layer.
    """
    starts, stops = list(shape), [0] * len(shape)
    for change in changes:
        key = getattr(change, "slice_key", None)
        sides = change[0] if key is None else key
        for axis, (side, size) in enumerate(zip(sides, shape, strict=True)):
            if isinstance(side, slice):
                low, high, _ = side.indices(size)
            else:
                at = np.atleast_1d(side)
                low, high = (int(at.min()), int(at.max()) + 1) if at.size else (size, 0)
            starts[axis], stops[axis] = min(starts[axis], low), max(stops[axis], high)
    return tuple(slice(low, max(low, high)) for low, high in zip(starts, stops, strict=True))


def paint(session: Session, plane: Plane, added: MaskSet, removed: MaskSet) -> None:
    """Paint a stroke on the active object of a plane, or on the one that is most under it.

    Raises
    ------
    InputError
        If no object is open there.
    """
    each = _object_below(session, plane, (added, removed))
    if each is None:
        raise InputError(NOTHING_TO_PAINT)
    session.paint(added, True, each.id)
    session.paint(removed, False, each.id)


def _object_below(
    session: Session, plane: Plane, strokes: tuple[MaskSet, ...]
) -> SegmentedObject | None:
    here = [each for each in session.state.open if each.plane == plane]
    active = session.active
    if active is not None:
        parts = (each for each in here if each.whole == active.whole)
        if (part := next(parts, None)) is not None:
            return part
    shared = {each.id: 0 for each in here}
    for each in here:
        if mask := session.preview(each.id):
            both = MaskSet.concatenate([mask, *strokes])
            shared[each.id] = sum(both.shared_pixels(0, k) for k in range(1, len(both)))
    best = max(here, key=lambda each: shared[each.id], default=None)
    return best if best is not None and shared[best.id] else None
