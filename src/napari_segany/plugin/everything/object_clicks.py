"""Clicks on the objects of labels layers."""

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from napari_segany.plugin.layers.canvas_clicks import click_callback


class ObjectClicks:
    """Tells which object of some labels layers was clicked while the layer is selected.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    clicked : callable
        Called with the layer and the label that was clicked.
    """

    def __init__(self, viewer: Any, clicked: Callable[[Any, int], object]) -> None:
        self._viewer, self._clicked = viewer, clicked
        self._layers: WeakSet[Any] = WeakSet()
        self._callback = click_callback(self._on_click)

    def follow(self, layer: Any) -> None:
        """Tell of clicks on the objects of a layer from now on."""
        if layer is not None and layer not in self._layers:
            self._layers.add(layer)
            layer.mouse_drag_callbacks.append(self._callback)

    def end(self) -> None:
        """Leave all layers."""
        for layer in self._layers:
            layer.mouse_drag_callbacks.remove(self._callback)
        self._layers.clear()

    def _on_click(self, event: Any, shift: bool) -> None:
        layer = self._viewer.layers.selection.active
        label = layer.get_value(event.position, world=True) if layer in self._layers else None
        if isinstance(label, tuple):
            # Of a multiscale layer, the level and the label.
            label = label[1]
        if label and not shift:
            self._clicked(layer, int(label))
