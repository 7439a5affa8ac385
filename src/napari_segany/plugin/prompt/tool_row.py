"""Buttons that select a tool, with their icons."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap
from qtpy.QtWidgets import QGridLayout, QSizePolicy, QToolButton, QWidget

from napari_segany.plugin.prompt.tools import TOOLS, Tool
from napari_segany.plugin.shared.theme import accent, follow_theme

SIDE = 20
"""Side of an icon in pixels."""

COLUMNS = 4
"""Buttons beside each other; the names of more would not fit into a dock."""


class ToolRow(QWidget):
    """Buttons of the tools, of which that of the selected tool is pressed.

    Attributes
    ----------
    buttons : dict
        Button of each tool by its name.
    """

    chosen = Signal(object)
    """Emitted with the :class:`Tool` whose button was clicked."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(1)
        self.buttons: dict[str, QToolButton] = {}
        self.selected: Tool | None = None
        self._colour: QColor | None = None
        for number, tool in enumerate(TOOLS):
            button = QToolButton()
            button.setText(tool.caption)
            button.setToolTip(f"{tool.help} ({tool.key})")
            button.setAccessibleName(tool.name)
            button.setCheckable(True)
            button.setIconSize(QSize(SIDE, SIDE))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _=False, tool=tool: self._on_click(tool))
            self.buttons[tool.name] = button
            grid.addWidget(button, number // COLUMNS, number % COLUMNS)
        plain = "QToolButton { padding: 2px 0; font-size: 10px; }"
        pressed = "QToolButton:checked {{ background-color: {}; }}"
        follow_theme(self, lambda: f"{plain} {pressed.format(accent())}")
        self._paint()

    def show_tool(self, tool: Tool | None) -> None:
        """Press the button of a tool; none if prompts are not being drawn."""
        self.selected = tool
        for each in TOOLS:
            self.buttons[each.name].setChecked(each is tool)

    def changeEvent(self, event: Any) -> None:
        """Draw the icons anew in the colours of another theme."""
        super().changeEvent(event)
        if event.type() in (event.Type.PaletteChange, event.Type.StyleChange):
            self._paint()

    def _on_click(self, tool: Tool) -> None:
        # The button shows the state of the layers, and not the click.
        self.show_tool(self.selected)
        self.chosen.emit(tool)

    def _paint(self) -> None:
        """Draw the icons in the colour of the text, unless they have it."""
        colour = self.palette().text().color()
        if colour == self._colour:
            return
        self._colour = colour
        for tool in TOOLS:
            self.buttons[tool.name].setIcon(draw_icon(tool.name, colour))


def draw_icon(name: str, colour: Any) -> QIcon:
    """Return the icon of a tool in a colour."""
    scale = 2
    pixmap = QPixmap(SIDE * scale, SIDE * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(scale, scale)
    painter.setPen(QPen(colour, 1.8))
    _DRAWINGS[name](painter)
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return QIcon(pixmap)


def _draw_sign(painter: QPainter, positive: bool) -> None:
    painter.drawEllipse(QRectF(2.5, 2.5, 15, 15))
    painter.drawLine(QPointF(6, 10), QPointF(14, 10))
    if positive:
        painter.drawLine(QPointF(10, 6), QPointF(10, 14))


def _draw_box(painter: QPainter) -> None:
    painter.drawRect(QRectF(3, 5, 14, 10))
    for x in (3, 17):
        for y in (5, 15):
            painter.fillRect(QRectF(x - 2, y - 2, 4, 4), painter.pen().color())


def _draw_outline(painter: QPainter) -> None:
    path = QPainterPath(QPointF(4, 12))
    path.cubicTo(1, 3, 10, 1, 13, 5)
    path.cubicTo(20, 7, 18, 17, 12, 16)
    path.cubicTo(8, 19, 5, 16, 4, 12)
    painter.setPen(QPen(painter.pen().color(), 1.8, Qt.PenStyle.DashLine))
    painter.drawPath(path)


def _draw_scribble(painter: QPainter) -> None:
    path = QPainterPath(QPointF(3, 14))
    path.cubicTo(6, 2, 9, 4, 9, 10)
    path.cubicTo(9, 16, 13, 16, 17, 5)
    painter.drawPath(path)


def _draw_brush(painter: QPainter) -> None:
    painter.drawLine(QPointF(17, 3), QPointF(9, 11))
    painter.setBrush(painter.pen().color())
    painter.drawEllipse(QRectF(3, 10, 7, 7))


def _draw_eraser(painter: QPainter) -> None:
    path = QPainterPath(QPointF(3, 12))
    for x, y in ((11, 4), (17, 10), (10, 17), (7, 17), (3, 12)):
        path.lineTo(x, y)
    painter.drawPath(path)
    painter.drawLine(QPointF(7, 8), QPointF(13, 14))


def _draw_arrow(painter: QPainter) -> None:
    path = QPainterPath(QPointF(5, 2))
    for x, y in ((5, 16), (9, 12), (12, 18), (14, 17), (11, 11), (16, 11), (5, 2)):
        path.lineTo(x, y)
    painter.drawPath(path)


_DRAWINGS: dict[str, Callable[[QPainter], None]] = {
    "+ point": lambda painter: _draw_sign(painter, True),
    "- point": lambda painter: _draw_sign(painter, False),
    "box": _draw_box,
    "outline": _draw_outline,
    "scribble": _draw_scribble,
    "brush": _draw_brush,
    "eraser": _draw_eraser,
    "select": _draw_arrow,
}
