"""Keys of the layers of tracks, and clicks that select tracks."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

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
"""Methods of the Tracks dock by key. napari binds none of them on labels, except for its own undo,
which would revert pixels without the tracks."""

STILL = 4.0
"""Distance in pixels of the screen that a click may move."""

OnClick = Callable[[Any, bool], object]
"""Called with the mouse event of a click, and True if Shift was held."""


def bind_keys(layer: Any, actions: Mapping[str, Callable[[], object]]) -> None:
    """Bind keys of a layer to actions without arguments."""
    for key, act in actions.items():
        layer.bind_key(key, lambda layer, call=act: call(), overwrite=True)


def click_callback(clicked: OnClick) -> Callable[[Any, Any], Iterator[None]]:
    """Return a mouse callback of a labels layer that reports clicks while nothing is painted."""

    def on_drag(layer: Any, event: Any) -> Iterator[None]:
        if event.button != 1 or str(layer.mode) not in ("pan_zoom", "pick"):
            return
        start = tuple(event.pos)
        moved = False
        yield
        while event.type == "mouse_move":
            moved = moved or max(abs(a - b) for a, b in zip(event.pos, start, strict=True)) > STILL
            yield
        if not moved:
            clicked(event, "Shift" in event.modifiers)

    return on_drag
