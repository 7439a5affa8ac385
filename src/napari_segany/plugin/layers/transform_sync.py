"""Synchronisation of the transforms of prompt layers and labels with those of their image."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import place, placement_of


class TransformSync:
    """Connection to the transform and the units of one image at a time.

    Parameters
    ----------
    on_move : callable
        Called with napari's event when the transform or the units of the image changed.
    """

    def __init__(self, on_move: Callable[[Any], None]) -> None:
        self._on_move = on_move
        self._view: LayerView | None = None
        # Images that labels were made for, kept beyond sessions until the labels are deleted.
        self._made: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def follow(self, view: LayerView) -> None:
        """Connect to an image."""
        self._view = view
        for name in placement_of(view.layer):
            getattr(view.layer.events, name).connect(self._on_move)

    def leave(self) -> None:
        """Disconnect from the image."""
        if self._view is not None:
            for name in placement_of(self._view.layer):
                getattr(self._view.layer.events, name).disconnect(self._on_move)
        self._view = None

    def made(self, labels: Any) -> None:
        """Register labels that were made for the image and shall keep its transform."""
        if self._view is not None:
            self._made[labels] = weakref.ref(self._view.layer)

    def place(self, layers: Iterable[Any]) -> None:
        """Apply the image's transform to layers and to all labels that were made for it."""
        view = self._view
        if view is None:
            return
        ours = [
            layer
            for layer, image in self._made.items()
            if image() is view.layer and layer.ndim == view.ndim
        ]
        for layer in (*layers, *ours):
            place(layer, view.placement())
