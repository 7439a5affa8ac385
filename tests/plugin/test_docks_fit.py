"""Docks leave the window to the image."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from napari._qt.qt_viewer import QtViewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QLabel,
    QPushButton,
    QStyle,
    QStyleOptionComboBox,
    QWidget,
)
from skimage import data
from tests.plugin.windows import needs_a_display, until

from napari_segany.plugin.shared.canvas_room import LEAST, NARROW, SHARE, WIDTH
from napari_segany.plugin.shared.fold import Fold

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    """A napari window."""
    return window


MOST = NARROW
"""Pixels that a dock needs at most, so that a small window leaves its share to the canvas."""

SIZES = ((1366, 768), (1600, 1000))
"""Sizes of windows of a laptop and of a larger screen."""

DOCKS = ("Prompt", "Everything", "Tracks", "Batch", "Learn", "Evaluate", "Models")


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_is_narrow_when_it_is_opened(
    viewer: Any, open_widget: Any, qtbot: Any, name: str
) -> None:
    widget = open_widget(name)
    # napari's style is applied when the dock is shown.
    until(qtbot, lambda: widget.minimumSizeHint().width() <= MOST)
    assert widget.sizeHint().width() <= WIDTH


@pytest.mark.parametrize("name", DOCKS)
def test_controls_have_the_height_of_the_dock(
    viewer: Any, open_widget: Any, qtbot: Any, name: str
) -> None:
    viewer.window.resize(*SIZES[1])
    widget = open_widget(name)
    (page,) = widget.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
    until(qtbot, lambda: widget.height() > 700)
    widget.layout().activate()
    assert page.height() == widget.height()


@pytest.mark.parametrize("size", SIZES)
def test_the_canvas_has_its_share_of_the_window(
    viewer: Any, open_widget: Any, qtbot: Any, size: tuple[int, int]
) -> None:
    window = viewer.window._qt_window
    viewer.add_image(data.coins()[:50, :50], name="coins")
    viewer.window.resize(*size)
    docks = {each.objectName(): each for each in window.findChildren(QDockWidget)}
    list_of_layers = docks["layer list"]
    before = list_of_layers.width()
    for name in DOCKS:
        widget = open_widget(name)
        until(qtbot, lambda: canvas_share(window) >= SHARE - 0.001)
        # Nothing grew the window, and everything of the dock is in view or can be scrolled to.
        assert (window.width(), window.height()) == size
        assert widget.height() <= size[1]
        assert widget.width() >= widget.minimumSizeHint().width()
        assert list_of_layers.width() >= LEAST
        if name in ("Prompt", "Everything"):
            widget.asks_on_close = False
        viewer.window.remove_dock_widget(widget)
    until(qtbot, lambda: list_of_layers.width() == before)


def canvas_share(window: Any) -> float:
    """Return the share of a window's width that the canvas has."""
    (canvas,) = window.findChildren(QtViewer)
    return canvas.canvas.native.width() / window.width()


def test_docks_in_tabs_leave_the_canvas_its_share(
    viewer: Any, open_widget: Any, qtbot: Any
) -> None:
    window = viewer.window._qt_window
    viewer.window.resize(*SIZES[0])
    for name in ("Evaluate", "Batch"):
        open_widget(name)
    until(qtbot, lambda: canvas_share(window) >= SHARE - 0.001)
    docks = window.findChildren(QDockWidget)
    until(qtbot, lambda: {"Evaluate", "Batch"} <= {each.windowTitle() for each in docks})


def test_a_window_that_is_made_narrower_leaves_the_canvas_its_share(
    viewer: Any, open_widget: Any, qtbot: Any
) -> None:
    window = viewer.window._qt_window
    large, small = SIZES[1], SIZES[0]
    viewer.window.resize(*large)
    widget = open_widget("Learn")
    until(qtbot, lambda: canvas_share(window) >= SHARE - 0.001)
    viewer.window.resize(*small)
    until(qtbot, lambda: window.width() == small[0] and canvas_share(window) >= SHARE - 0.001)
    assert widget.width() >= widget.minimumSizeHint().width()


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_is_narrow_with_all_its_sections_open(
    viewer: Any, open_widget: Any, qtbot: Any, name: str
) -> None:
    widget = open_widget(name)
    for fold in widget.findChildren(Fold):
        fold.expand()
    until(qtbot, lambda: widget.minimumSizeHint().width() <= MOST)


@pytest.mark.parametrize("name", DOCKS)
def test_rows_of_open_sections_are_as_high_as_they_need(
    viewer: Any, open_widget: Any, qtbot: Any, name: str
) -> None:
    window = viewer.window._qt_window
    viewer.add_image(data.coins()[:50, :50], name="coins")
    viewer.window.resize(*SIZES[0])
    widget = open_widget(name)
    until(qtbot, lambda: canvas_share(window) >= SHARE - 0.001)
    for fold in widget.findChildren(Fold):
        fold.expand()
    until(qtbot, lambda: all(each.content().isVisible() for each in shown_folds(widget)))

    def nothing_is_cut() -> None:
        cut = [
            f"{type(each).__name__} {each.height()} of {each.minimumSizeHint().height()}"
            for each in widget.findChildren(QWidget)
            if isinstance(each, QAbstractSpinBox | QComboBox | QLabel)
            and each.isVisible()
            and each.height() < each.minimumSizeHint().height()
        ]
        assert cut == []

    # Rows that wrap get their height only when everything around them is laid out.
    qtbot.wait(200)
    qtbot.waitUntil(nothing_is_cut, timeout=10_000)


@pytest.mark.parametrize("name", DOCKS)
def test_what_is_chosen_can_be_read_beside_a_scroll_bar(
    viewer: Any, open_widget: Any, qtbot: Any, name: str
) -> None:
    viewer.window.resize(*SIZES[0])
    widget = open_widget(name)
    for fold in widget.findChildren(Fold):
        fold.expand()

    def nothing_is_cut() -> None:
        cut = [each.currentText() for each in widget.findChildren(QComboBox) if is_cut(each)]
        assert cut == []

    qtbot.waitUntil(nothing_is_cut, timeout=10_000)


@pytest.mark.parametrize("name", ["Prompt", "Tracks"])
@pytest.mark.parametrize("state", ["whole", "damaged", "by name"])
def test_earlier_work_that_can_be_restored_is_read_in_a_small_window(
    viewer: Any, open_widget: Any, qtbot: Any, name: str, state: str
) -> None:
    viewer.window.resize(*SIZES[0])
    widget = open_widget(name)
    saved: Any = SimpleNamespace(
        begun=datetime(2026, 12, 28, 20, 48, tzinfo=UTC),
        count=888,
        events=[None] * 888,
        damage="cut short" if state == "damaged" else "",
        closed=False,
        path=Path("like-cells" if state == "by name" else "abc") / "a.jsonl",
    )
    damaged = "Its end is damaged; what comes before is restored."
    told = {
        ("whole", "Prompt"): "",
        ("by name", "Prompt"): "It is of an image of this name, maybe another one.",
        **{(each, "Tracks"): "It was not closed." for each in ("whole", "by name")},
        **{("damaged", each): damaged for each in ("Prompt", "Tracks")},
    }
    picker = widget.form.restore if name == "Prompt" else widget.form.restoring
    picker.show_sessions([saved])

    def nothing_is_cut() -> None:
        assert picker.choice.isVisible()
        assert "888" in picker.choice.currentText()
        assert not is_cut(picker.choice)
        assert picker.state.text() == told[state, name]
        assert picker.state.isVisible() == bool(told[state, name])
        assert picker.state.height() >= picker.state.minimumSizeHint().height()
        (pressed,) = picker.findChildren(QPushButton)
        assert pressed.width() >= pressed.sizeHint().width()

    qtbot.waitUntil(nothing_is_cut, timeout=10_000)


def is_cut(choice: QComboBox) -> bool:
    """Return True if a combo box that can be seen has no room for its text."""
    option = QStyleOptionComboBox()
    choice.initStyleOption(option)
    field = choice.style().subControlRect(
        QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, choice
    )
    needed = choice.fontMetrics().horizontalAdvance(choice.currentText())
    return choice.isVisible() and field.width() < needed


def shown_folds(widget: QWidget) -> list[Fold]:
    """Return the sections of a dock that can be seen."""
    return [each for each in widget.findChildren(Fold) if each.isVisible()]


def test_the_evaluate_dock_stays_narrow_with_scores(viewer: Any, open_widget: Any) -> None:
    labels = (data.coins()[:60, :60] > 120).astype(int)
    both = [viewer.add_labels(labels, name=name) for name in ("found", "truth")]
    widget = open_widget("Evaluate")
    widget.prediction, widget.truth = both
    widget.compare(wait=True)
    QApplication.processEvents()
    assert not widget.score_panel.isHidden()
    assert widget.minimumSizeHint().width() <= MOST


def test_a_long_name_of_a_layer_widens_nothing(viewer: Any, open_widget: Any, qtbot: Any) -> None:
    viewer.add_image(data.coins()[:50, :50], name="a plate with many wells " * 5)
    for name in ("Prompt", "Everything", "Evaluate"):
        widget = open_widget(name)
        until(qtbot, lambda widget=widget: widget.minimumSizeHint().width() <= MOST)


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
