"""A window that was cleared between tests is as it was when it was opened."""

from typing import Any

import numpy as np
import pytest
from tests.plugin.windows import WindowState, click, count_leftovers, needs_a_display, scene, until

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any, tmp_path: Any, monkeypatch: Any) -> Any:
    monkeypatch.setattr(
        "napari_segany.plugin.prompt.widget.journals_folder", lambda: tmp_path / "sessions"
    )
    return window


def use(name: str, viewer: Any, qtbot: Any, model: Any) -> Any:
    """Open a dock and work with it, or with the viewer alone."""
    image = viewer.add_image(np.random.default_rng(0).random((5, 60, 70)), name="image")
    if name == "viewer":
        viewer.dims.ndisplay = 3
        viewer.dims.order = (1, 0, 2)
        scene(viewer).camera.zoom = 7
        viewer.title = "mine"
        viewer.mouse_drag_callbacks.append(print)
        viewer.bind_key("F7", print)
        return None
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", name)
    if name == "Prompt":
        widget.model = model
        widget.image_layer = image
        until(qtbot, lambda: not widget.jobs.busy)
        click(qtbot, viewer, 20, 30)
        until(qtbot, widget.session.candidates)
        widget.commit()
        click(qtbot, viewer, 40, 30)
    return widget


@pytest.mark.parametrize(
    "name", ["viewer", "Prompt", "Everything", "Tracks", "Batch", "Learn", "Evaluate", "Models"]
)
def test_clearing_a_window_leaves_nothing(
    name: str, viewer: Any, empty_window: WindowState, qtbot: Any, model: Any
) -> None:
    # The first use makes what napari itself keeps, such as dialogs and menus.
    for _ in range(2):
        before = count_leftovers(viewer)
        widget = use(name, viewer, qtbot, model)
        if widget is not None:
            widget.asks_on_close = False
            widget.close()
        del widget
        empty_window.restore()
    after = count_leftovers(viewer)
    for what, value in before.items():
        assert after[what] == value, what
