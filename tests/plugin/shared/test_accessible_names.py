"""Tests of names for screen readers, and of the way of the Tab key."""

from itertools import pairwise
from typing import Any

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QListView,
    QPushButton,
    QSpinBox,
    QWidget,
)
from tests.plugin.windows import needs_a_display

from napari_segany.plugin.shared.accessible_names import is_focusable, name_controls, name_of
from napari_segany.plugin.shared.controls import column, form, panel, with_tip
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.scroll_panel import ScrollPanel

DOCKS = ("Prompt", "Everything", "Tracks", "Batch", "Learn", "Evaluate", "Models")


@pytest.fixture
def viewer(window: Any) -> Any:
    """A napari window."""
    return window


def is_part(widget: QWidget) -> bool:
    """Return True for what Qt itself puts into a spin box or a combo box."""
    parent = widget.parentWidget()
    if isinstance(widget, QLineEdit) and isinstance(parent, QAbstractSpinBox | QComboBox):
        return True
    return isinstance(widget, QListView) and not isinstance(parent, QAbstractSpinBox)


@pytest.mark.gui
@needs_a_display
@pytest.mark.parametrize("name", DOCKS)
def test_every_control_of_a_dock_has_a_name(viewer: Any, open_widget: Any, name: str) -> None:
    dock = open_widget(name)
    nameless = [
        f"{type(each).__name__}: {each.toolTip()}"
        for each in dock.findChildren(QWidget)
        # The buttons of candidates are named when there are candidates.
        if is_focusable(each) and not is_part(each) and not name_of(each) and each.isEnabled()
    ]
    assert not nameless


def test_a_name_is_the_label_of_the_row_or_the_first_sentence_of_the_tip(qtbot: Any) -> None:
    root, number = QWidget(), QSpinBox()
    choice = with_tip(QComboBox(), "<qt>Format of the file; tables are CSV. More</qt>")
    root.setLayout(column(panel(form([("Smallest object", number)])), choice))
    qtbot.addWidget(root)
    name_controls(root)
    assert name_of(number) == "Smallest object"
    assert name_of(choice) == "Format of the file"


def test_a_name_that_was_given_is_kept(qtbot: Any) -> None:
    root, number = QWidget(), QSpinBox()
    number.setAccessibleName("Red")
    root.setLayout(form([("Channel", number)]))
    qtbot.addWidget(root)
    name_controls(root)
    assert name_of(number) == "Red"


def test_the_tab_key_leaves_out_what_is_folded_away(qtbot: Any) -> None:
    root = QWidget()
    before, inside, after = QPushButton("before"), QPushButton("inside"), QPushButton("after")
    fold = Fold("More", inside)
    root.setLayout(column(before, fold, after))
    qtbot.addWidget(root)
    root.show()
    qtbot.waitExposed(root)
    before.setFocus()
    for _ in range(2):
        qtbot.keyClick(root.focusWidget(), Qt.Key.Key_Tab)
    assert root.focusWidget() is after
    fold.expand()
    before.setFocus()
    for _ in range(2):
        qtbot.keyClick(root.focusWidget(), Qt.Key.Key_Tab)
    assert root.focusWidget() is inside


def tab_stops(dock: QWidget) -> list[QWidget]:
    """Return the controls of a dock that are seen, in the order of the Tab key."""
    stops, widget = [], dock.nextInFocusChain()
    while widget is not dock:
        by_tab = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        if by_tab and dock.isAncestorOf(widget) and widget.isVisible() and not is_part(widget):
            stops.append(widget)
        widget = widget.nextInFocusChain()
    return stops


def scrolled_by(widget: QWidget, dock: QWidget) -> QWidget | None:
    """Return the scroll area of the dock that a widget lies in."""
    around = widget.parentWidget()
    while around is not dock and not isinstance(around, ScrollPanel):
        around = around.parentWidget()
    return None if around is dock else around


def comes_before(one: QWidget, other: QWidget, dock: QWidget) -> bool:
    """Return True if a reader comes to ``one`` first: it is above, or beside and to the left."""
    if scrolled_by(one, dock) is not scrolled_by(other, dock):
        # What is scrolled away has its place among what scrolls with it.
        one, other = scrolled_by(one, dock) or one, scrolled_by(other, dock) or other
    (a, b) = (each.rect().translated(each.mapTo(dock, QPoint())) for each in (one, other))
    shared = min(a.bottom(), b.bottom()) - max(a.top(), b.top())
    if shared > min(a.height(), b.height()) / 2:
        return bool(a.left() <= b.left())
    return bool(a.top() < b.top())


@pytest.mark.gui
@needs_a_display
@pytest.mark.parametrize("name", DOCKS)
def test_the_tab_key_goes_through_a_dock_as_a_reader_does(
    viewer: Any, open_widget: Any, qtbot: Any, name: str
) -> None:
    dock = open_widget(name)
    for fold in dock.findChildren(Fold):
        fold.expand()

    def is_read_in_order() -> None:
        assert len(tab_stops(dock)) > 3
        wrong = [
            f"{name_of(one)!r} ({type(one).__name__}) before {name_of(other)!r}"
            for one, other in pairwise(tab_stops(dock))
            if not one.isAncestorOf(other) and not comes_before(one, other, dock)
        ]
        assert not wrong

    # Layouts take some turns.
    qtbot.waitUntil(is_read_in_order, timeout=20_000)
