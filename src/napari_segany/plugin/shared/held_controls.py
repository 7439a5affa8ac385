"""Controls of a new dock, which the window gets part by part.

A window with a style sheet, as napari's, gives each widget its style when it comes into the window,
which takes a tenth of a millisecond: tens of milliseconds for all widgets of a dock.
"""

from collections.abc import Iterator
from itertools import pairwise

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QLabel, QLayout, QWidget

from napari_segany.plugin.shared.accessible_names import is_focusable

LOADING = "Loading …"
"""Line in place of the controls of a dock that is being opened."""

GROUP = 60
"""Most widgets of a part, where a layout tells them apart."""


class HeldControls:
    """Controls that were taken out of a dock, which shows a line in their place.

    Parameters
    ----------
    dock : QWidget
        The dock, with its layout.
    page : QWidget
        The one widget in that layout.
    """

    def __init__(self, dock: QWidget, page: QWidget) -> None:
        self._dock, self._page = dock, page
        self._order = _tab_order(page)
        self._parts = [(part, hold_place(part)) for part in list(_parts_of(page))]
        self._line = QLabel(LOADING)
        self._line.setAlignment(Qt.AlignmentFlag.AlignTop)
        _replace(dock, page, self._line)

    def put_back(self) -> Iterator[None]:
        """Bring the controls into the window; yield after each part. They are shown at the end."""
        page = self._page
        page.setParent(self._dock)
        yield
        count = 0
        for part, place in self._parts:
            around = place.parentWidget()
            assert around is not None
            _replace(around, place, part)
            place.deleteLater()
            count += len(part.findChildren(QWidget)) + 1
            if count > GROUP:
                count = 0
                yield
        # A widget that comes into a window is the last one for the Tab key.
        for before, after in pairwise(self._order):
            QWidget.setTabOrder(before, after)
        yield
        _replace(self._dock, self._line, page)
        self._line.deleteLater()
        page.show()


def hold_place(part: QWidget) -> QWidget:
    """Take a part out of its layout, and return an empty widget that keeps its place."""
    around, place = part.parentWidget(), QWidget()
    assert around is not None
    _replace(around, part, place)
    return place


def _parts_of(root: QWidget) -> Iterator[QWidget]:
    """Yield parts of a widget that its layouts hold, each of a few widgets if it has layouts."""
    layout = root.layout()
    for child in root.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly):
        is_small = len(child.findChildren(QWidget)) < GROUP
        if is_small and layout is not None and _holds(layout, child):
            yield child
        elif not is_small:
            yield from _parts_of(child)


def _holds(layout: QLayout, part: QWidget) -> bool:
    """Return True if a layout, or one inside it, has a widget as an item."""
    for at in range(layout.count()):
        item = layout.itemAt(at)
        inner = None if item is None else item.layout()
        if item is not None and (item.widget() is part or (inner and _holds(inner, part))):
            return True
    return False


def _replace(around: QWidget, old: QWidget, new: QWidget) -> None:
    """Put a widget into the place of another one, which leaves the window."""
    layout = around.layout()
    assert layout is not None
    layout.replaceWidget(old, new)
    old.setParent(None)


def _tab_order(root: QWidget) -> list[QWidget]:
    """Return the controls in a widget in the order of the Tab key, without what is inside them."""
    found = []
    widget = root.nextInFocusChain()
    while widget is not None and widget is not root:
        inside = isinstance(widget.parentWidget(), QAbstractSpinBox | QComboBox)
        if is_focusable(widget) and root.isAncestorOf(widget) and not inside:
            found.append(widget)
        widget = widget.nextInFocusChain()
    return found
