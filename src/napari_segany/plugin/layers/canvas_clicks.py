"""Clicks on the canvas that neither paint nor move the view."""

from collections.abc import Callable, Iterator
from typing import Any

STILL = 4.0
"""Distance in pixels of the screen that a click may move."""

OnClick = Callable[[Any, bool], object]
"""Called with the mouse event of a click, and True if Shift was held."""


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
