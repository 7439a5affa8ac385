"""Keys of the Prompt dock: bound on its layers, on the image and on the labels."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from napari.utils.key_bindings import coerce_keybinding

KEYS = {
    "Q": "flip_sign",
    "N": "commit",
    "J": "previous_candidate",
    "K": "next_candidate",
    "U": "undo",
    "Shift-U": "redo",
    "G": "segment",
    "H": "toggle_preview",
    "W": "through_planes",
    "O": "toggle_absent",
    "Y": "next_doubtful",
}
"""Methods of the Prompt dock by key."""


class KeyBindings:
    """Actions by key, bound on the layers of a session.

    A key that napari or somebody else binds on a layer is left to them there.

    Parameters
    ----------
    actions : mapping
        Action without arguments for each key.
    """

    def __init__(self, actions: Mapping[str, Callable[[], object]]) -> None:
        self._actions = actions
        # Each layer with the keys that were bound on it.
        self._bound: list[tuple[Any, list[str]]] = []

    def follow(self, layers: Iterable[Any]) -> None:
        """Bind the keys on these layers, and release the others."""
        wanted = [layer for layer in layers if layer is not None]
        kept = []
        for layer, keys in self._bound:
            if any(layer is each for each in wanted):
                kept.append((layer, keys))
            else:
                for key in keys:
                    layer.bind_key(key, None)
        for layer in wanted:
            if not any(layer is each for each, _ in kept):
                kept.append((layer, self._bind(layer)))
        self._bound = kept

    def _bind(self, layer: Any) -> list[str]:
        """Bind the keys that are free on a layer, and return them."""
        taken = {*type(layer).class_keymap, *layer.keymap}
        free = [key for key in self._actions if coerce_keybinding(key) not in taken]
        for key in free:
            layer.bind_key(key, lambda layer, call=self._actions[key]: call())
        return free
