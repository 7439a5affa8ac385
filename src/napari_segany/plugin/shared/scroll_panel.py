"""Scroll area for the controls of a dock."""

from qtpy.QtCore import QEvent, QObject, QPoint, QSize, Qt, QTimer
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QScrollArea,
    QScrollBar,
    QWidget,
)

MARGINS = (0, 0, 4, 0)
"""Margins of the layout inside: the dock has its own, and the scroll bar is set apart."""


class ScrollPanel(QScrollArea):
    """Vertical scroll area that is as wide as its content needs.

    The wheel scrolls; it changes a control only after a click on the control. A section that a
    person opens is scrolled into view, and stays there when it grows, until the person scrolls.

    Parameters
    ----------
    inside : QWidget
        Content with its layout.
    """

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)
        self.setAccessibleName("Controls")
        self._followed: QWidget | None = None
        self._revealing = QTimer(self)
        self._revealing.setSingleShot(True)
        # Layouts take some turns.
        self._revealing.setInterval(0)
        self._revealing.timeout.connect(self._reveal)
        bar = self.verticalScrollBar()
        if bar is not None:
            bar.actionTriggered.connect(lambda _: self.follow(None))
            bar.rangeChanged.connect(lambda *_: self._revealing.start())
        self.keep_wheel(inside)

    def keep_wheel(self, root: QWidget) -> None:
        """Have the wheel scroll over the controls in a widget, until they are clicked."""
        for control in root.findChildren(QWidget):
            if isinstance(control, QAbstractSpinBox | QComboBox | QAbstractSlider) and not (
                isinstance(control, QScrollBar)
            ):
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                # A filter that is there already is only moved to the front.
                control.installEventFilter(self)

    def sizeHint(self) -> QSize:
        """Return the size of the content and the scroll bar."""
        return self._with_bar(self._inside.sizeHint())

    def minimumSizeHint(self) -> QSize:
        """Return the minimum width of the content and the scroll bar; any height is possible."""
        least = self._with_bar(self._inside.minimumSizeHint())
        return QSize(least.width(), super().minimumSizeHint().height())

    def follow(self, section: QWidget | None) -> None:
        """Scroll a section of the content into view, its top first; None to follow none."""
        self._followed = section
        self._revealing.start()

    def _reveal(self) -> None:
        """Scroll as little as is needed to see the section that is followed."""
        section, bar, view = self._followed, self.verticalScrollBar(), self.viewport()
        if section is None or bar is None or view is None or not section.isVisible():
            return
        top = section.mapTo(self._inside, QPoint()).y()
        least = top + section.height() - view.height()
        bar.setValue(min(max(bar.value(), least), top))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Scroll, and follow no section any more."""
        self._followed = None
        super().wheelEvent(event)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the size of the content, and keep the wheel from controls without focus."""
        if event is None:
            return False
        if watched is self.widget():
            if event.type() == QEvent.Type.LayoutRequest:
                self.updateGeometry()
        elif (
            isinstance(event, QWheelEvent)
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            self.wheelEvent(event)
            return True
        return bool(super().eventFilter(watched, event))

    @property
    def _inside(self) -> QWidget:
        inside = self.widget()
        assert inside is not None
        return inside

    def _with_bar(self, size: QSize) -> QSize:
        bar = self.verticalScrollBar()
        assert bar is not None
        return QSize(size.width() + bar.sizeHint().width(), size.height())
