"""Layer with the outline of the object that is reviewed."""

from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.image_source import Plane, plane_shape, plane_slices
from napari_segany.core.level_paint import LevelPainter
from napari_segany.core.masks import MaskSet
from napari_segany.generators.tile_params import AUTO_TILES
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.label_levels import LabelLevels
from napari_segany.plugin.layers.metadata import SELECTION
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.plugin.shared.colours import OUTLINE, rgb

COLOURS = np.array([[0, 0, 0, 0], [*rgb(OUTLINE), 255]]) / 255
"""Colours of no outline and of an outline."""


class OutlineLayer:
    """Labels layer with the outline of one object of an image, above all other layers.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.

    Attributes
    ----------
    layer : napari.layers.Labels or None
        The layer, None before the first object.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.layer: Any = None
        self._view: LayerView | None = None
        # Part of the layer that has an outline at present.
        self._drawn: Any = None
        # Levels of a large plane, of which only what is seen is painted.
        self._levels: LabelLevels | None = None

    def is_on(self, view: LayerView) -> bool:
        """Return True if the layer is in the viewer for an image."""
        return self._view is view and self.layer in self.viewer.layers

    def show(self, view: LayerView, plane: Plane, mask: MaskSet) -> None:
        """Outline one mask of a plane of an image, in place of the one before."""
        if not self.is_on(view):
            self._add(view, plane)
        self._clear()
        a, b, c, d = mask.boxes[0].tolist()
        rows, cols = mask.shape
        box = slice(max(a - 1, 0), min(c + 1, rows)), slice(max(b - 1, 0), min(d + 1, cols))
        inside = np.pad(mask.crop(0), 1)
        near = inside[box[0].start - a + 1 : box[0].stop - a + 1, :]
        near = near[:, box[1].start - b + 1 : box[1].stop - b + 1]
        if self._levels is not None:
            border = MaskSet.from_crops(mask.shape, [_border(near)], [(box[0].start, box[1].start)])
            levels = self._levels
            levels.show(plane, levels.paint(LevelPainter(border, [1]), ()))
            self._draw()
            return
        self._drawn = plane_slices(plane), box
        self.layer.data[self._drawn[0]][box] = _border(near)
        self._draw()

    def _draw(self) -> None:
        """Have the canvas show the data, once: a layer that becomes visible is drawn anew."""
        if self.layer.visible:
            self.layer.refresh(extent=False, thumbnail=False)
        else:
            self.layer.visible = True

    def hide(self) -> None:
        """Show no outline."""
        if self.layer is not None and self.layer.visible:
            self._clear()
            self.layer.visible = False

    def remove(self) -> None:
        """Remove the layer from the viewer."""
        layer, self.layer, self._view, self._drawn = self.layer, None, None, None
        self._levels = None
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    def _clear(self) -> None:
        if self._levels is not None:
            self._levels.show(None, None)
        if self._drawn is not None:
            plane, box = self._drawn
            self.layer.data[plane][box] = 0
            self._drawn = None

    def _add(self, view: LayerView, plane: Plane) -> None:
        """Add an empty layer for an image; the layer that was selected stays selected."""
        self.remove()
        # A colormap of single labels takes seconds to compile at first.
        colormap = CyclicLabelColormap(colors=COLOURS)
        data: Any = zeros(view.shape, np.uint8)
        if AUTO_TILES.applies_to(plane_shape(view.shape, plane)):
            # napari would draw all of a large layer to show one outline.
            rows, cols = (axis for axis, n in enumerate(plane) if n is None)
            self._levels = LabelLevels(view.shape, (rows, cols))
            data = self._levels.levels
        # Invisible until there is an outline: there is nothing to draw before.
        about: Any = {
            "name": SELECTION,
            "multiscale": self._levels is not None,
            "visible": False,
        }
        self.layer = Labels(data, colormap=colormap, **about, **view.placement())
        self.layer.opacity, self.layer.editable = 1, False
        self._view = view
        add_layer(self.viewer, self.layer, activate=False)


def _border(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels along the border of a mask, one inside and one outside."""
    border: NDArray[np.bool_] = ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside)
    return border
