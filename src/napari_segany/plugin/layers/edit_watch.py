"""Watch over layers whose pixels may be edited; needs no Qt."""

from typing import Any

import numpy as np
from psygnal import Signal

EDITS = ("data", "paint", "labels_update")
"""Events of a layer whose labels were edited, except by undo or in place."""


class EditWatch:
    """Watch over some layers, which says when their pixels are edited.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer of the layers.

    Attributes
    ----------
    edited : Signal
        Emitted when pixels of a layer may have changed.
    layers : tuple of napari.layers.Labels
        Watched layers.
    """

    edited = Signal()

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.layers: tuple[Any, ...] = ()
        # Display state of each layer, to tell an edit from another view.
        self._displayed: dict[int, Any] = {}

    def begin(self, *layers: Any) -> None:
        """Watch layers."""
        self.layers = layers
        for layer in layers:
            self._displayed[id(layer)] = self._display_state(layer)
            for name in EDITS:
                getattr(layer.events, name).connect(self._on_edit)
            layer.events.set_data.connect(self._on_redraw)
            layer.events.visible.connect(self._on_visible)

    def end(self) -> None:
        """Watch no layer any more."""
        for layer in self.layers:
            for name in EDITS:
                getattr(layer.events, name).disconnect(self._on_edit)
            layer.events.set_data.disconnect(self._on_redraw)
            layer.events.visible.disconnect(self._on_visible)
        self.layers, self._displayed = (), {}

    def _display_state(self, layer: Any) -> Any:
        """Return everything that makes napari redraw a layer, except its pixels."""
        dims, extra = self.viewer.dims, self.viewer.dims.ndim - layer.ndim
        return (
            *(dims.point[extra:], tuple(k - extra for k in dims.order if k >= extra)),
            *(dims.ndisplay, layer.contour, layer.show_selected_label, layer.selected_label),
            *(layer.data_level, np.asarray(layer.corner_pixels).tolist()),
        )

    def _on_redraw(self, event: Any) -> None:
        # Undo, and a refresh after an edit in place, emit only this event.
        layer = event.source
        before, now = self._displayed.get(id(layer)), self._display_state(layer)
        self._displayed[id(layer)] = now
        if before == now:
            self.edited.emit()

    def _on_visible(self, event: Any) -> None:
        # A layer that is shown again is redrawn before this event.
        if not event.source.visible:
            self._displayed.pop(id(event.source), None)

    def _on_edit(self, _: Any) -> None:
        self.edited.emit()
