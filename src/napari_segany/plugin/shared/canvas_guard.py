"""Two programs in every frame of a canvas, without which Mesa ends the process.

When a Shapes or Tracks layer is removed, VisPy deletes the programs that drew it. Mesa frees their
shaders at the end of a later frame, takes the current shader out of the driver for that, and binds
it again only when another program is used. A canvas that shows a single image never uses another,
and the next draw reads a null pointer (``docs/upstream-reports.md``). Of two programs that are
drawn first, one is always another than that of the last draw, also where no layer is left.
"""

from typing import Any
from weakref import WeakSet

import numpy as np

VERTEX = "attribute vec2 position; void main() { gl_Position = vec4(position, 0.0, 1.0); }"
FRAGMENT = "void main() { gl_FragColor = vec4(0.0); }"

OUTSIDE = np.full((3, 2), 5, np.float32)
"""A triangle without area, outside of what is seen."""

_guarded: WeakSet[Any] = WeakSet()


def guard_canvas(window: Any) -> None:
    """Draw two programs in each frame of a window's canvas; a second call does nothing.

    Parameters
    ----------
    window : QMainWindow or None
        Main window of a viewer.
    """
    canvas = getattr(getattr(window, "_qt_viewer", None), "canvas", None)
    scene = getattr(canvas, "_scene_canvas", None)
    if scene is None or scene in _guarded:
        return
    from vispy.gloo import Program

    programs = [Program(VERTEX, FRAGMENT) for _ in range(2)]
    for each in programs:
        each["position"] = OUTSIDE

    def draw(_: Any) -> None:
        for each in programs:
            each.draw("triangles")

    scene.events.draw.connect(draw, position="first")
    _guarded.add(scene)
