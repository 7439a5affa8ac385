"""A process that removes layers and a dock, and ends with its viewer open.

Started by ``test_canvas_guard.py``.
"""

import time

import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from tests.tiny import build_tiny_model


def draw(seconds: float = 0.2) -> None:
    """Draw the canvas many times."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        canvas.update()
        QApplication.processEvents()


viewer = napari.Viewer(show_welcome_screen=False)
canvas = viewer.window._qt_viewer.canvas.native
image = viewer.add_image(np.arange(6400.0).reshape(80, 80))
draw()
dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
widget.asks_on_close = False
draw()
tracks = np.array([[n, t, 9 * t, 7 * n] for n in (1, 2, 3) for t in range(4)], float)
for add in (
    lambda: viewer.add_shapes([[[5, 5], [9, 9]]]),
    lambda: viewer.add_tracks(tracks, graph={2: [1], 3: [1]}),
):
    layer = add()
    draw()
    viewer.layers.remove(layer)
    draw()
print("a layer at a time", flush=True)
viewer.add_shapes([[[5, 5], [9, 9]]])
draw()
viewer.layers.clear()
draw()
image = viewer.add_image(np.arange(6400.0).reshape(80, 80))
draw()
print("all layers", flush=True)
widget.model = build_tiny_model()
widget.image_layer = image
draw()
corners = np.array([[10.0, 10.0], [10, 60], [60, 60], [60, 10]])
widget.controller.shapes.add_rectangles([corners])
widget.segment(wait=True)
draw()
widget.form.buttons["Clear"].click()
draw()
viewer.window.remove_dock_widget(widget)
draw()
viewer.reset_view()
draw()
print("the layers of a dock", flush=True)
