"""Size of the objects that are clicked on in a large plane: set, or as the view is zoomed."""

from typing import Any

import numpy as np

from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.errors import InputError
from napari_segany.models.object_size import BEST_OBJECT_SIZE, FRAME_SIDE, LARGE_PLANE
from napari_segany.plugin.layers.transforms import full_data
from napari_segany.session.session import Session

DIGITS = 3
"""Digits of a size that follows from the view, so that records stay readable."""


class ObjectScale:
    """The object size of new prompts on large planes.

    Attributes
    ----------
    size : float or None
        Longer side of the objects in pixels. None: the model sees about what the viewer shows.
    """

    def __init__(self) -> None:
        self.size: float | None = None

    def of(self, session: Session, view: Any, plane: Plane) -> float | None:
        """Return the size that new prompts of a plane record; None for planes seen as a whole."""
        if not is_large(session, plane):
            return None
        if self.size is not None:
            return self.size
        shown = shown_side(view.layer, plane)
        if shown is None:
            return None
        return float(f"{shown * BEST_OBJECT_SIZE / FRAME_SIDE:.{DIGITS}g}")


def is_large(session: Session, plane: Plane) -> bool:
    """Return True if a plane is seen in crops."""
    return max(plane_shape(session.source.shape, plane)) > LARGE_PLANE


def shown_side(layer: Any, plane: Plane) -> float | None:
    """Return the longer side in pixels of the part of a plane that the canvas shows.

    None if the layer was not drawn yet.
    """
    # Of a multiscale layer in pixels of the level that is drawn, which may be coarser.
    corners = np.asarray(layer.corner_pixels, np.float64)
    full = np.asarray(full_data(layer).shape[: corners.shape[1]], np.float64)
    level = layer.data[layer.data_level] if layer.multiscale else layer.data
    factors = full / np.asarray(level.shape[: corners.shape[1]])
    # An axis of channels comes before those of the plane.
    left_out = corners.shape[1] - len(plane)
    axes = [axis + left_out for axis, n in enumerate(plane) if n is None]
    sides = ((corners[1] - corners[0] + 1) * factors)[axes]
    return float(sides.max()) if (corners[1] > corners[0])[axes].all() else None


def size_of_selection(session: Session, shapes: Any) -> float:
    """Return the longer side in pixels of the shape or object that is selected.

    The selected shape of the prompt layer comes first, then the mask of the active object, then
    the object that was committed last.

    Raises
    ------
    InputError
        If there is none.
    """
    if shapes is not None and shapes.selected_data:
        corners = np.asarray(shapes.data[min(shapes.selected_data)])
        return float((corners.max(axis=0) - corners.min(axis=0)).max())
    preview = session.preview()
    if preview is not None and len(preview) and preview.area[0]:
        box = preview.boxes[0]
    else:
        commits = [each.commit for each in session.state.committed if each.commit is not None]
        if not commits:
            raise InputError("Draw a box around an object, or click on one, to take its size.")
        box = max(commits, key=lambda commit: commit.order).mask.boxes[0]
    return float((box[2:] - box[:2]).max())
