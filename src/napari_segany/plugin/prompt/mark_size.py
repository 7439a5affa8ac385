"""Sizes of points and edges of prompts, which stay the same on the screen at every zoom."""

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import camera_of, to_world

POINT = 12.0
"""Diameter of a point, in pixels of the screen."""

EDGE = 2.5
"""Width of the edge of a shape, in pixels of the screen."""

BRUSH = 16.0
"""Diameter of the brush, in pixels of the screen, until somebody chooses another one."""

STEP = 1.15
"""Change of the zoom from which sizes are set again; drawing them costs time."""


class MarkSize:
    """Keeps the marks of prompt layers as large on the screen, whatever the image's size.

    napari's sizes are in pixels of the image: a point of a fixed size hides small objects of a
    large image, and cannot be seen in all of it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, whose zoom is followed until :meth:`end`.
    view : LayerView
        The image.
    layers : callable
        Returns the points and the shapes layer; None for one that is missing.
    """

    def __init__(self, viewer: Any, view: LayerView, layers: Callable[[], tuple[Any, Any]]) -> None:
        self._camera, self._view, self._layers = camera_of(viewer), view, layers
        self._shown = 0.0
        self._brush = 0
        self._camera.events.zoom.connect(self._on_zoom)

    @property
    def pixel(self) -> float:
        """Pixels of the image in one pixel of the screen."""
        matrix, _ = to_world(self._view)
        # The last two axes are those of a plane; its pixels may be longer than wide.
        step = float(np.sqrt(np.prod(np.linalg.norm(matrix[:, -2:], axis=0))))
        return 1.0 / max(float(self._camera.zoom) * step, 1e-12)

    @property
    def point(self) -> float:
        """Diameter of a point in pixels of the image."""
        return POINT * self.pixel

    @property
    def edge(self) -> float:
        """Width of an edge in pixels of the image."""
        return EDGE * self.pixel

    def suit_brush(self, layer: Any) -> None:
        """Make the brush of a labels layer as large on the screen, unless it was chosen by hand."""
        if self._brush in (0, layer.brush_size):
            layer.brush_size = self._brush = max(round(BRUSH * self.pixel), 1)

    def end(self) -> None:
        """Follow the zoom no longer."""
        self._camera.events.zoom.disconnect(self._on_zoom)

    def _on_zoom(self, event: Any = None) -> None:
        pixel = self.pixel
        if self._shown / STEP < pixel < self._shown * STEP:
            return
        points, shapes = self._layers()
        # A shape that is being drawn would begin anew.
        if getattr(shapes, "_is_creating", False):
            return
        self._shown = pixel
        if points is not None:
            points.current_size = self.point
            points.size = self.point
        if shapes is not None:
            shapes.current_edge_width = self.edge
            shapes.edge_width = self.edge
            shapes.refresh()
