"""Short constructors of controls with tooltips, and of the layouts around them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QBoxLayout,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segany.plugin.shared.theme import accent, disabled_ticks, follow_theme

W = TypeVar("W", bound=QWidget)

Part: TypeAlias = QWidget | QLayout
"""Element of a layout."""

PRIMARY_HEIGHT = 34
"""Height of the button that most work of a dock ends with, in pixels."""

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


def primary(made: QPushButton) -> QPushButton:
    """Make a button the largest of its dock: the one that most work ends with."""
    made.setMinimumHeight(PRIMARY_HEIGHT)
    return coloured_when_due(made)


def coloured_when_due(made: QPushButton) -> QPushButton:
    """Give a button the colour of the next step while it is one, see :func:`set_due`."""
    of = 'QPushButton[due="true"]:enabled'
    follow_theme(made, lambda: f"{of} {{ background-color: {accent()}; }}")
    set_due(made, True)
    return made


def set_due(made: QPushButton, due: bool) -> None:
    """Give a button its colour, or take it away while another one is the next step."""
    set_style_property(made, "due", due)


def set_style_property(made: QWidget, name: str, value: bool) -> None:
    """Set a property of a widget that its style sheet reads."""
    if made.property(name) != value:
        made.setProperty(name, value)
        style = made.style()
        if style is not None:
            # Qt reads properties for style sheets only when a widget is polished.
            style.unpolish(made)
            style.polish(made)


def tick_box(text: str) -> QCheckBox:
    """Return a check box that looks disabled while it is, which napari's looks do not show."""
    made = QCheckBox(text)
    follow_theme(made, disabled_ticks)
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
