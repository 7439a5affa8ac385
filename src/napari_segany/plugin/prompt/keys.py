"""Key bindings of the prompt layers."""

from collections.abc import Callable, Mapping
from typing import Any

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
"""Methods of the Prompt dock by key; napari binds none of these keys on points and shapes."""


def bind_keys(layer: Any, actions: Mapping[str, Callable[[], object]]) -> None:
    """Bind keys of a layer to actions without arguments."""
    for key, act in actions.items():
        layer.bind_key(key, lambda layer, call=act: call(), overwrite=True)
