"""Histogram above a slider, in which the bars of what passes are coloured."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QRectF
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QSlider, QStyle, QWidget

from napari_segany.plugin.shared.theme import faint, line_colour

BINS = 40


class Histogram(QWidget):
    """Histogram of the candidates above a slider; the bars of those that pass are coloured.

    Parameters
    ----------
    slider : QWidget
        Slider of one bound or of two, with its labels.

    Attributes
    ----------
    counts : ndarray
        (BINS,) candidates in each bin.
    edges : ndarray
        (BINS + 1,) increasing ends of the bins, which lie at equal distances on the slider.
    """

    def __init__(self, slider: Any) -> None:
        super().__init__()
        self.slider = slider
        self.counts: NDArray[np.integer] = np.zeros(BINS, np.int64)
        self.edges: NDArray[np.float64] = np.linspace(0, 1, BINS + 1)
        self.setFixedHeight(18)
        slider.valueChanged.connect(lambda _: self.update())

    def show_values(self, values: ArrayLike, edges: NDArray[np.float64]) -> None:
        """Count the values in bins with these (BINS + 1,) ends, and draw the counts."""
        self.edges = edges
        self.counts = np.histogram(np.asarray(values), edges)[0]
        self.update()

    @property
    def passing(self) -> NDArray[np.bool_]:
        """(BINS,) bool; bins of which the slider lets a part through."""
        value = self.slider.value()
        low, high = value if isinstance(value, tuple) else (value, np.inf)
        passing: NDArray[np.bool_] = (self.edges[1:] > low) & (self.edges[:-1] <= high)
        return passing

    @property
    def groove(self) -> tuple[float, float]:
        """Horizontal positions that stand for the ends of the slider."""
        inside = self.slider.findChild(QSlider)
        if inside is None:
            return 0.0, float(self.width())
        half = inside.style().pixelMetric(QStyle.PixelMetric.PM_SliderLength) / 2
        return inside.x() + half, inside.x() + inside.width() - half

    def paintEvent(self, event: Any) -> None:
        """Draw the bars above their places on the slider."""
        painter = QPainter(self)
        left_out = faint(self)
        passing = QColor(line_colour()) if self.isEnabled() else left_out
        left, right = self.groove
        width, height = (right - left) / BINS, self.height()
        shares = self.counts / max(int(self.counts.max()), 1)
        for i, (share, passes) in enumerate(zip(shares, self.passing, strict=True)):
            # A single candidate is visible beside many.
            tall = max(height * share, 2.0 if share else 0.0)
            bar = QRectF(left + i * width, height - tall, max(width - 1, 1), tall)
            painter.fillRect(bar, passing if passes else left_out)
        painter.end()


def even_edges(low: float, high: float) -> NDArray[np.float64]:
    """Return the ends of bins of equal width between two values."""
    return np.linspace(low, max(high, low + 1e-6), BINS + 1)
