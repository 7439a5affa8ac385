"""Keys of a dock that work while layers of its session are selected."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from napari.utils.key_bindings import coerce_keybinding


class KeyBindings:
    """Actions by key, bound on the layers of a session.

    A key that napari or somebody else binds on a layer is left to them there.

    Parameters
    ----------
    actions : mapping
        Action without arguments for each key.
    overriding : iterable of str
        Keys that take the place of napari's own.
    """

    def __init__(
        self, actions: Mapping[str, Callable[[], object]], overriding: Iterable[str] = ()
    ) -> None:
        self._actions = actions
        self._overriding = frozenset(overriding)
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
        own = type(layer).class_keymap
        free = [
            key
            for key in self._actions
            if coerce_keybinding(key) not in layer.keymap
            and (key in self._overriding or coerce_keybinding(key) not in own)
        ]
        for key in free:
            layer.bind_key(key, lambda layer, call=self._actions[key]: call())
        return free
