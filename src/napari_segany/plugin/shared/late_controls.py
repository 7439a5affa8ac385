"""Controls that are made after their dock was laid out, treated like its others."""

from collections.abc import Iterable

from qtpy.QtWidgets import QComboBox, QWidget

from napari_segany.plugin.shared.accessible_names import is_focusable, name_controls
from napari_segany.plugin.shared.controls import narrow
from napari_segany.plugin.shared.scroll_panel import ScrollPanel


def narrow_choices(root: QWidget) -> None:
    """Let combo boxes be narrower than their entries, but those that were told to show them."""
    for choice in root.findChildren(QComboBox):
        if choice.sizeAdjustPolicy() != QComboBox.SizeAdjustPolicy.AdjustToContents:
            narrow(choice)


def adopt(root: QWidget, late: Iterable[QWidget], before: QWidget | None) -> None:
    """Give late controls their names, their widths, and their place in the order of the Tab key.

    Parameters
    ----------
    root : QWidget
        Widget with the late controls in it; nothing changes for others in it that have a name.
    late : iterable of QWidget
        The late controls, in the order in which the Tab key reaches them.
    before : QWidget or None
        Control from which the Tab key goes to the first of them. None leaves them where they are;
        so does one in another window: parts that are put together later have the order of these.
    """
    narrow_choices(root)
    name_controls(root)
    around = scroll_panel_of(root)
    if around is not None:
        around.keep_wheel(root)
    if before is not None:
        for each in late:
            if is_focusable(each) and each.window() is before.window():
                QWidget.setTabOrder(before, each)
                before = each


def focusable_before(part: QWidget) -> QWidget | None:
    """Return the control from which the Tab key goes to what comes first in a part of a dock."""
    before = part.previousInFocusChain()
    while before is not None and before is not part and not is_focusable(before):
        before = before.previousInFocusChain()
    return None if before is part else before


def scroll_panel_of(part: QWidget) -> ScrollPanel | None:
    """Return the scroll area around a part of a dock, None before there is one."""
    parent = part.parentWidget()
    while parent is not None and not isinstance(parent, ScrollPanel):
        parent = parent.parentWidget()
    return parent
