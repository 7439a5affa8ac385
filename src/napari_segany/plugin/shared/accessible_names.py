"""Names of the controls of a dock for screen readers, taken from their labels and tooltips."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import QAbstractButton, QFormLayout, QLabel, QWidget


def name_controls(root: QWidget) -> None:
    """Name every control that can have the focus and has no name yet.

    The name is the label of its row in a form; else the first sentence of its tooltip. What is
    inside a control, as the number of a slider, has the name of the control.

    Parameters
    ----------
    root : QWidget
        Content of a dock, completely built.
    """
    for layout in root.findChildren(QFormLayout):
        for row in range(layout.rowCount()):
            title = layout.itemAt(row, QFormLayout.ItemRole.LabelRole)
            field = layout.itemAt(row, QFormLayout.ItemRole.FieldRole)
            label = None if title is None else title.widget()
            if isinstance(label, QLabel) and label.text() and field is not None:
                _name_field(field.widget(), label.text())
    # Parents come first, so that a control inside another one finds its name.
    for widget in root.findChildren(QWidget):
        if is_focusable(widget) and not name_of(widget):
            widget.setAccessibleName(_first_sentence(widget.toolTip()) or _outer_name(widget, root))


def is_focusable(widget: QWidget) -> bool:
    """Return True if the keyboard can reach a widget."""
    return bool(widget.focusPolicy() != Qt.FocusPolicy.NoFocus)


def name_of(widget: QWidget) -> str:
    """Return what a screen reader calls a widget: its name, or the text on it."""
    shown = widget.text() if isinstance(widget, QAbstractButton | QLabel) else ""
    return widget.accessibleName() or shown


def _name_field(field: Any, title: str) -> None:
    if field is None:
        return
    focusable = [each for each in (field, *field.findChildren(QWidget)) if is_focusable(each)]
    for each in (field, *focusable[:1]):
        if not name_of(each):
            each.setAccessibleName(title)


def _outer_name(widget: QWidget, root: QWidget) -> str:
    """Return the name of the nearest named widget around another one."""
    parent = widget.parentWidget()
    while parent is not None and parent is not root:
        if parent.accessibleName():
            return str(parent.accessibleName())
        parent = parent.parentWidget()
    return ""


def _first_sentence(tip: str) -> str:
    document = QTextDocument()
    document.setHtml(tip)
    text: str = document.toPlainText().split("\n")[0]
    return text.partition(". ")[0].partition("; ")[0].rstrip(".")
