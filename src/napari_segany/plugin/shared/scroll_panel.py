"""A panel that may be taller than the window."""

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

MARGINS = (0, 0, 4, 0)
"""Of the layout inside: the panel has its own, and the bar stands apart."""


class ScrollPanel(QScrollArea):
    """Scrolls up and down where there is too little room, and is as wide as what is inside needs.

    Parameters
    ----------
    inside : QWidget
        What is shown, with its layout.
    """

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)

    def sizeHint(self) -> QSize:
        """What is inside, and the bar beside it."""
        return self._with_bar(self._inside.sizeHint())

    def minimumSizeHint(self) -> QSize:
        """As wide, and of any height."""
        least = self._with_bar(self._inside.minimumSizeHint())
        return QSize(least.width(), super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow what is inside: it needs another width once it has a style, or is unfolded."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
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
