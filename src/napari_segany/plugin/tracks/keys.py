"""Keys of the layers of tracks, and clicks that select tracks."""

from collections.abc import Callable
from typing import Any

from napari_segany.plugin.layers.canvas_clicks import OnClick, click_callback
from napari_segany.plugin.shared.key_bindings import KeyBindings

KEYS = {
    "J": "join",
    "C": "cut",
    "D": "divide",
    "Shift-D": "undivide",
    "S": "swap",
    "G": "merge",
    "T": "split",
    "I": "fill",
    "K": "delete_object",
    "Shift-K": "delete_track",
    "U": "undo",
    "Shift-U": "redo",
    "Y": "next_doubtful",
    "A": "accept",
    "Q": "clear_selection",
    "Control-Z": "undo",
    "Control-Shift-Z": "redo",
}
"""Methods of the Tracks dock by key. napari binds none of them on labels, except for those of
:data:`OVERRIDING`."""

OVERRIDING = ("Control-Z", "Control-Shift-Z")
"""Keys of napari's own undo, which would revert pixels without the tracks."""


class LayerInput:
    """Keys and clicks of one labels layer at a time.

    Parameters
    ----------
    act : callable
        Returns what a key does, by the name of its method.
    clicked : callable
        Called with clicks while nothing is painted.

    Attributes
    ----------
    layer : napari.layers.Labels or None
        The layer.
    """

    def __init__(self, act: Callable[[str], Callable[[], object]], clicked: OnClick) -> None:
        self.layer: Any = None
        self._on_drag = click_callback(clicked)
        self._keys = KeyBindings({key: act(name) for key, name in KEYS.items()}, OVERRIDING)

    def follow(self, layer: Any) -> None:
        """Take keys and clicks of a layer, or of none, and no longer of the one before."""
        if self.layer is not None:
            self.layer.mouse_drag_callbacks.remove(self._on_drag)
        self.layer = layer
        self._keys.follow([layer])
        if layer is not None:
            layer.mouse_drag_callbacks.append(self._on_drag)
