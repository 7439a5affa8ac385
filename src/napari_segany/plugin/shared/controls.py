"""Short constructors of controls with tooltips, and of the layouts around them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

W = TypeVar("W", bound=QWidget)

Part: TypeAlias = QWidget | QLayout
"""Element of a layout."""

PRIMARY_HEIGHT = 34
"""Height of the button that most work of a dock ends with, in pixels."""

FAINT = 0.4
"""Opacity of what is left out or known from elsewhere."""

DARKER = 180
"""Percentage by which lines are darker than the accent on a light theme."""

SHOWN_CHARACTERS = 6
"""Characters of an entry that a combo box has room for at least."""


def with_tip(widget: W, tip: str) -> W:
    """Set the tooltip of a widget and return the widget."""
    widget.setToolTip(tip)
    return widget


def button(text: str, act: Callable[[], Any], tip: str) -> QPushButton:
    """Return a push button that calls ``act`` without arguments."""
    made = with_tip(QPushButton(text), tip)
    made.clicked.connect(lambda _=False: act())
    return made


def accent() -> str:
    """Return the colour with which napari's theme marks what is in use."""
    colour: str = get_theme(get_settings().appearance.theme).current.as_hex()
    return colour


def line_colour() -> str:
    """Return the accent as thin lines and bars need it: darker on a light theme, where it is pale.

    As a background of text, :func:`accent` is used.
    """
    theme, colour = get_theme(get_settings().appearance.theme), QColor(accent())
    if QColor(theme.background.as_hex()).lightness() > colour.lightness():
        colour = colour.darker(DARKER)
    name: str = colour.name()
    return name


def faint(widget: QWidget) -> QColor:
    """Return the colour of a widget's text at less than half its strength, in every theme."""
    colour = widget.palette().color(QPalette.ColorRole.WindowText)
    colour.setAlphaF(FAINT)
    return colour


def primary(made: QPushButton) -> QPushButton:
    """Make a button the largest of its dock: the one that most work ends with."""
    made.setMinimumHeight(PRIMARY_HEIGHT)
    made.setStyleSheet(f"QPushButton:enabled {{ background-color: {accent()}; }}")
    return made


def combo_box(items: Mapping[str, Any], tip: str) -> QComboBox:
    """Return a combo box with an entry for each text, which holds a value as its data."""
    made = with_tip(QComboBox(), tip)
    for text, value in items.items():
        made.addItem(text, value)
    return made


def narrow(choice: QComboBox) -> None:
    """Let a combo box be narrower than its longest entry, which a layer's name may be."""
    choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    choice.setMinimumContentsLength(SHOWN_CHARACTERS)


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


def grid(*parts: QWidget, columns: int = 2) -> QGridLayout:
    """Return widgets in rows of some columns, which are equally wide."""
    made = QGridLayout()
    for number, part in enumerate(parts):
        made.addWidget(part, number // columns, number % columns)
    for number in range(columns):
        made.setColumnStretch(number, 1)
    return made


def form(rows: Iterable[tuple[str, Part]]) -> QFormLayout:
    """Return a form layout with labelled rows."""
    made = QFormLayout()
    # A dock is narrow; a long row puts its control below the label.
    made.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    for text, part in rows:
        made.addRow(text, part)
    return made


def panel(layout: QLayout) -> QWidget:
    """Return a widget with a layout and no margins."""
    made = QWidget()
    layout.setContentsMargins(0, 0, 0, 0)
    made.setLayout(layout)
    return made


def _filled(layout: Any, parts: Iterable[Part], stretched: Part | None) -> Any:
    box: QBoxLayout = layout
    for part in parts:
        add = box.addLayout if isinstance(part, QLayout) else box.addWidget
        add(part, 1 if part is stretched else 0)
    return layout
