"""Slider of two bounds on an area, on a logarithmic axis and in units of the image."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QVBoxLayout, QWidget
from superqt import QRangeSlider

from napari_segany.plugin.everything.histogram import BINS
from napari_segany.plugin.everything.pixel_area import PixelArea
from napari_segany.plugin.shared.controls import row

STEPS = 1000
"""Positions of a handle."""

MOST_DECIMALS = 6
"""Decimals of an area at most."""

Bounds = tuple[int, int]
"""Smallest and largest area in pixels."""


class AreaSlider(QWidget):
    """Slider of a smallest and a largest area, with both as numbers that can be typed.

    Bounds are whole pixels and stay exact; only what is shown is in units. Equal distances on the
    slider are equal ratios of areas.

    Attributes
    ----------
    low, high : QDoubleSpinBox
        The bounds in units.
    """

    valueChanged = Signal(tuple)
    """Emitted with both bounds in pixels."""

    def __init__(self) -> None:
        super().__init__()
        self._bounds: Bounds = (0, 1)
        self._maximum = 1
        self._area = PixelArea()
        # Its constructor has no types.
        make: Any = QRangeSlider
        self._slider = make(Qt.Orientation.Horizontal)
        self._slider.setRange(0, STEPS)
        self._slider.setAccessibleName("Smallest and largest area")
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        for spin, text in ((self.low, "Smallest area"), (self.high, "Largest area")):
            spin.setKeyboardTracking(False)
            spin.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
            spin.setMinimumWidth(40)
            spin.setAccessibleName(text)
            spin.valueChanged.connect(self._on_typed)
        self.unit = QLabel()
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.setSpacing(2)
        around.addWidget(self._slider)
        around.addLayout(row(self.low, QLabel("to"), self.high, self.unit))
        self._slider.valueChanged.connect(self._on_moved)
        self.set_pixel_area(PixelArea())

    def set_pixel_area(self, area: PixelArea) -> None:
        """Show bounds in units in which a pixel has this area."""
        self._area = area
        self.unit.setText(area.unit)
        finest = -math.floor(math.log10(area.size)) if area.size < 1 else 0
        for spin in (self.low, self.high):
            spin.setDecimals(min(finest + (area.unit != "px"), MOST_DECIMALS))
        self._show()

    def value(self) -> Bounds:
        """Return the smallest and the largest area in pixels."""
        return self._bounds

    def setValue(self, bounds: Bounds) -> None:
        """Move the bounds, in pixels; they are kept within the ends of the slider."""
        low, high = (min(max(int(each), 0), self._maximum) for each in bounds)
        changed, self._bounds = (low, high) != self._bounds, (low, high)
        self._show()
        if changed:
            self.valueChanged.emit(self._bounds)

    def minimum(self) -> int:
        """Return the smallest area of the slider in pixels."""
        return 0

    def maximum(self) -> int:
        """Return the largest area of the slider in pixels."""
        return self._maximum

    def setMaximum(self, largest: int) -> None:
        """Set the largest area of the slider in pixels, at least 1; bounds are kept within."""
        self._maximum = max(int(largest), 1)
        self.setValue(self._bounds)

    @property
    def edges(self) -> NDArray[np.float64]:
        """(BINS + 1,) areas in pixels at equal distances on the slider."""
        edges: NDArray[np.float64] = np.expm1(np.linspace(0, math.log1p(self._maximum), BINS + 1))
        # The ends are whole pixels, whatever rounding makes of them.
        edges[[0, -1]] = 0, self._maximum
        return edges

    def _position(self, pixels: int) -> int:
        return round(STEPS * math.log1p(pixels) / math.log1p(self._maximum))

    def _pixels(self, position: int) -> int:
        return round(math.expm1(position / STEPS * math.log1p(self._maximum)))

    def _show(self) -> None:
        """Show the bounds on the slider and as numbers."""
        for part in (self._slider, self.low, self.high):
            part.blockSignals(True)
        self._slider.setValue(tuple(self._position(each) for each in self._bounds))
        for spin, pixels in zip((self.low, self.high), self._bounds, strict=True):
            spin.setMaximum(self._maximum * self._area.size)
            spin.setValue(pixels * self._area.size)
        for part in (self._slider, self.low, self.high):
            part.blockSignals(False)

    def _on_moved(self, positions: tuple[int, int]) -> None:
        """Take the bound of the handle that was moved; the other one stays exact."""
        low, high = (
            pixels if self._position(pixels) == at else self._pixels(at)
            for pixels, at in zip(self._bounds, positions, strict=True)
        )
        self.setValue((low, high))

    def _on_typed(self, _: float) -> None:
        """Take the bound that was typed; the other one stays exact."""
        size, typed = self._area.size, []
        for spin, pixels in zip((self.low, self.high), self._bounds, strict=True):
            shown = round(pixels * size, spin.decimals())
            same = math.isclose(spin.value(), shown, rel_tol=1e-9, abs_tol=1e-12)
            typed.append(pixels if same else round(spin.value() / size))
        low, high = typed
        self.setValue((low, max(low, high)))
