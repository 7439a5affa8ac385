"""Our layers stay where the picture is, wherever that is moved to."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import place, placement_of


class TransformSync:
    """Follows the transform and the units of one picture at a time.

    Parameters
    ----------
    on_move : callable
        Called with napari's event when the picture was moved, scaled or turned.
    """

    def __init__(self, on_move: Callable[[Any], None]) -> None:
        self._on_move = on_move
        self._picture: LayerView | None = None
        # Images that labels were made for. They outlive sessions, and go when people delete them.
        self._made: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def follow(self, picture: LayerView) -> None:
        """Follow a picture from now on."""
        self._picture = picture
        for name in placement_of(picture.layer):
            getattr(picture.layer.events, name).connect(self._on_move)

    def leave(self) -> None:
        """Follow nothing."""
        if self._picture is not None:
            for name in placement_of(self._picture.layer):
                getattr(self._picture.layer.events, name).disconnect(self._on_move)
        self._picture = None

    def made(self, labels: Any) -> None:
        """Labels were made for the picture, and belong where it is."""
        if self._picture is not None:
            self._made[labels] = weakref.ref(self._picture.layer)

    def place(self, layers: Iterable[Any]) -> None:
        """Put layers, and all labels that were made for the picture, where it is."""
        picture = self._picture
        if picture is None:
            return
        ours = [
            layer
            for layer, image in self._made.items()
            if image() is picture.layer and layer.ndim == picture.ndim
        ]
        for layer in (*layers, *ours):
            place(layer, picture.placement())
