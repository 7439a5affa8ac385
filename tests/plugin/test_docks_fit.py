"""Docks leave the window to the image."""

from typing import Any

import pytest
from qtpy.QtWidgets import QApplication
from skimage import data
from tests.plugin.windows import needs_a_display, until

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    """A napari window."""
    return window


MOST = 340
"""Pixels that a dock is wide at most."""

DOCKS = ("Prompt", "Everything", "Tracks", "Batch", "Evaluate", "Models")


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_is_narrow_when_it_is_opened(viewer: Any, open_widget: Any, name: str) -> None:
    widget = open_widget(name)
    QApplication.processEvents()
    assert widget.minimumSizeHint().width() <= MOST
    assert widget.sizeHint().width() <= MOST


def test_a_long_name_of_a_layer_widens_nothing(viewer: Any, open_widget: Any) -> None:
    viewer.add_image(data.coins()[:50, :50], name="a plate with many wells " * 5)
    for name in ("Prompt", "Everything", "Evaluate"):
        widget = open_widget(name)
        # napari's style is applied when the dock is shown.
        QApplication.processEvents()
        assert widget.minimumSizeHint().width() <= MOST


def test_the_prompt_dock_stays_narrow_with_candidates(
    viewer: Any, open_widget: Any, model: Any, qtbot: Any
) -> None:
    layer = viewer.add_image(data.coins()[:160, :200], name="cells")
    widget = open_widget("Prompt")
    widget.asks_on_close = False
    widget.model = model
    widget.image_layer = layer
    widget.session.add_point(30, 40)
    widget.segment(wait=True)
    until(qtbot, lambda: not widget.form.candidate_row.isHidden())
    assert widget.minimumSizeHint().width() <= MOST


def test_the_only_image_is_chosen_when_a_dock_opens(
    viewer: Any, open_widget: Any, qtbot: Any
) -> None:
    layer = viewer.add_image(data.coins()[:50, :50], name="coins")
    widget = open_widget("Everything")
    until(qtbot, lambda: widget.image_layer is layer)


def test_of_two_images_none_is_chosen(viewer: Any, open_widget: Any, qtbot: Any) -> None:
    for name in ("coins", "plate"):
        viewer.add_image(data.coins()[:50, :50], name=name)
    widget = open_widget("Everything")
    qtbot.wait(50)
    assert widget.image_layer is None
