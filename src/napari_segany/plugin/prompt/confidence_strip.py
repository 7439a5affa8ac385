"""Strip with one column a plane: the confidence with which an object was found there."""

from collections.abc import Collection, Mapping
from typing import Any

from qtpy.QtCore import QEvent, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_segany.plugin.shared.colours import SURE, UNSURE, rgb

HEIGHT = 34
"""Height of the strip in pixels."""

LOWEST = 0.5
"""Confidence from which on colours differ; lower ones look like this."""

GAP = 4
"""Width of a column, in pixels, from which on columns are drawn apart."""

GROUND = QColor(128, 128, 128, 60)
"""Colour behind the columns, visible on light and dark themes."""


class ConfidenceStrip(QWidget):
    """Planes from left to right, each as high and as blue as the confidence there.

    Prompted planes have a column in the colour of the text, planes on which the object is said not
    to be a cross, and the plane in view a line below.
    """

    clicked = Signal(int)
    """Emitted with the number of a plane that was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._confidences: dict[int, float] = {}
        self._prompted: frozenset[int] = frozenset()
        self._absent: frozenset[int] = frozenset()
        self._shown: int | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)

    def show_planes(
        self,
        count: int,
        confidences: Mapping[int, float],
        prompted: Collection[int] = (),
        absent: Collection[int] = (),
        shown: int | None = None,
    ) -> None:
        """Show planes.

        Parameters
        ----------
        count : int
            Number of planes.
        confidences : mapping
            0..1 by number of the plane, where the object was found.
        prompted, absent : collection of int
            Planes with prompts, and planes on which the object is said not to be.
        shown : int, optional
            The plane in view.
        """
        self._count, self._confidences = count, dict(confidences)
        self._prompted, self._absent, self._shown = frozenset(prompted), frozenset(absent), shown
        self.update()

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(240, HEIGHT)

    def plane_at(self, x: float) -> int | None:
        """Return the number of the plane at a position from the left, in pixels."""
        if not self._count or not 0 <= x < self.width():
            return None
        return int(x * self._count / self.width())

    def describe(self, number: int) -> str:
        """Return the text about a plane."""
        text = f"Plane {number}: "
        if number in self._prompted:
            return text + "prompted"
        if number in self._absent:
            return text + "not there, as you said"
        if number in self._confidences:
            return text + f"confidence {self._confidences[number]:.2f}"
        return text + "not found"

    def paintEvent(self, event: Any) -> None:
        """Draw the columns."""
        painter = QPainter(self)
        base, height = self.height() - 5, self.height() - 7
        painter.fillRect(QRectF(0, 0, self.width(), base), GROUND)
        width = self.width() / max(self._count, 1)
        drawn = width - 1 if width >= GAP else width
        text = self.palette().color(QPalette.ColorRole.WindowText)
        # Prompted planes come last: where columns share a pixel, they stay visible.
        found = self._confidences.keys() - self._prompted
        for number in (*sorted(found), *sorted(self._prompted)):
            confidence = self._confidences.get(number, 1.0)
            colour = text if number in self._prompted else colour_of(confidence)
            high = height * confidence
            # Where columns are narrower than a pixel, they still cover one.
            painter.fillRect(QRectF(number * width, base - high, max(drawn, 1), high), colour)
        painter.setPen(text)
        for number in self._absent:
            left, right = int(number * width), int(number * width + max(drawn, 3))
            painter.drawLine(left, base - 8, right, base - 2)
            painter.drawLine(left, base - 2, right, base - 8)
        if self._shown is not None:
            line = QRectF(self._shown * width, base + 1, max(drawn, 3), 4)
            painter.fillRect(line, text)
        painter.end()

    def mousePressEvent(self, event: Any) -> None:
        """Tell which plane was clicked."""
        number = self.plane_at(event.position().x())
        if number is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(number)

    def event(self, event: Any) -> bool:
        """Show the tooltip of the plane below the pointer."""
        if event.type() == QEvent.Type.ToolTip:
            number = self.plane_at(event.pos().x())
            if number is not None:
                QToolTip.showText(event.globalPos(), self.describe(number), self)
            return True
        return bool(super().event(event))


def colour_of(confidence: float) -> QColor:
    """Return the colour of a confidence."""
    part = min(max((confidence - LOWEST) / (1 - LOWEST), 0.0), 1.0)
    ends = zip(rgb(UNSURE), rgb(SURE), strict=True)
    mixed = (round(low + part * (high - low)) for low, high in ends)
    return QColor(*mixed)
