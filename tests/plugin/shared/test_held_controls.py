"""Controls that come into the window part by part."""

from itertools import pairwise
from typing import Any

from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_segany.plugin.shared.accessible_names import is_focusable
from napari_segany.plugin.shared.controls import column, panel, row
from napari_segany.plugin.shared.held_controls import GROUP, LOADING, HeldControls

COUNT = 3 * GROUP


def dock_of_buttons() -> tuple[QWidget, QWidget, list[QPushButton]]:
    """Return a dock, its page, and the buttons in two columns of it, one of them hidden."""
    dock, buttons = QWidget(), [QPushButton(str(number)) for number in range(COUNT)]
    # One is in a layout inside the other, and one in a widget.
    inside = panel(column(*buttons[COUNT // 2 :]))
    page = panel(column(row(*buttons[: COUNT // 2]), inside))
    buttons[5].hide()
    dock.setLayout(column(page))
    return dock, page, buttons


def tab_stops(root: QWidget) -> list[QWidget]:
    found, widget = [], root.nextInFocusChain()
    while widget is not None and widget is not root:
        found += [widget] if is_focusable(widget) else []
        widget = widget.nextInFocusChain()
    return found


def test_all_is_as_it_was_once_the_last_part_is_back(qtbot: Any) -> None:
    dock, page, buttons = dock_of_buttons()
    qtbot.addWidget(dock)
    around = {each: each.parentWidget() for each in buttons}
    held = HeldControls(dock, page)
    assert dock.findChildren(QPushButton) == []
    assert [each.text() for each in dock.findChildren(QLabel)] == [LOADING]
    with qtbot.waitExposed(dock):
        dock.show()
    steps = [len(dock.findChildren(QPushButton)) for _ in held.put_back()]
    # The first turn brings only what holds the controls; no turn brings much more than a group.
    assert steps[0] == 0
    assert steps[-1] == COUNT
    assert max(b - a for a, b in pairwise(steps)) <= GROUP + 1
    assert {each: each.parentWidget() for each in buttons} == around
    assert [each for each in buttons if not each.isVisible()] == [buttons[5]]
    assert tab_stops(dock) == buttons
    qtbot.waitUntil(lambda: not dock.findChildren(QLabel))


def test_nothing_is_seen_before_all_is_there(qtbot: Any) -> None:
    dock, page, buttons = dock_of_buttons()
    qtbot.addWidget(dock)
    held = HeldControls(dock, page)
    dock.show()
    for _ in held.put_back():
        assert not any(each.isVisible() for each in buttons)
    assert buttons[0].isVisible()
