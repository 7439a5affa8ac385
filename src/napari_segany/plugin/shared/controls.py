"""Short constructors of controls with tooltips, and of the layouts around them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

W = TypeVar("W", bound=QWidget)

Part: TypeAlias = QWidget | QLayout
"""Element of a layout."""


def with_tip(widget: W, tip: str) -> W:
    """Set the tooltip of a widget and return the widget."""
    widget.setToolTip(tip)
    return widget


def button(text: str, act: Callable[[], Any], tip: str) -> QPushButton:
    """Return a push button that calls ``act`` without arguments."""
    made = with_tip(QPushButton(text), tip)
    made.clicked.connect(lambda _=False: act())
    return made


def combo_box(items: Mapping[str, Any], tip: str) -> QComboBox:
    """Return a combo box with an entry for each text, which holds a value as its data."""
    made = with_tip(QComboBox(), tip)
    for text, value in items.items():
        made.addItem(text, value)
    return made


def offer(choice: QComboBox, at: int, reason: str = "", tip: str = "") -> None:
    """Enable an entry of a combo box, or disable it if there is a reason, which its tip shows."""
    entries: Any = choice.model()
    entries.item(at).setEnabled(not reason)
    choice.setItemData(at, reason or tip, Qt.ItemDataRole.ToolTipRole)


def row(*parts: Part, wide: Part | None = None) -> QHBoxLayout:
    """Return parts side by side; ``wide`` gets the spare width."""
    return _filled(QHBoxLayout(), parts, wide)


def column(*parts: Part, tall: Part | None = None) -> QVBoxLayout:
    """Return parts one below the other; ``tall`` gets the spare height."""
    return _filled(QVBoxLayout(), parts, tall)


def form(rows: Iterable[tuple[str, Part]]) -> QFormLayout:
    """Return a form layout with labelled rows."""
    made = QFormLayout()
    for text, part in rows:
        made.addRow(text, part)
    return made


def panel(layout: QLayout) -> QWidget:
    """Return a widget with a layout and no margins."""
    made = QWidget()
    layout.setContentsMargins(0, 0, 0, 0)
    made.setLayout(layout)
    return made


def folded(title: str, part: QWidget) -> QCollapsible:
    """Return a collapsible section, collapsed at first."""
    made = QCollapsible(title)
    made.addWidget(part)
    return made


def _filled(layout: Any, parts: Iterable[Part], stretched: Part | None) -> Any:
    box: QBoxLayout = layout
    for part in parts:
        add = box.addLayout if isinstance(part, QLayout) else box.addWidget
        add(part, 1 if part is stretched else 0)
    return layout
