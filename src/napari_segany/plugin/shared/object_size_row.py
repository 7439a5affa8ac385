"""Row of a dock for the size of objects on large planes."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_segany.plugin.shared.controls import with_tip

LARGEST = 1e6
"""Largest size in pixels that can be set."""


class ObjectSizeRow(QWidget):
    """Size of objects in pixels or in units of the image, and a button that takes it from one.

    Hidden at first. The size is held exactly, and shown rounded.

    Parameters
    ----------
    unset : str
        Text where no size is set.
    size_tip, take_tip : str
        Tooltips of the number and of the button.

    Attributes
    ----------
    size : QDoubleSpinBox
        Size; 0 for none.
    take : QPushButton
        Takes the size from the selected shape or object.
    size_set : Signal
        Emitted with the size in pixels, None for none.
    """

    size_set = Signal(object)

    def __init__(self, unset: str, size_tip: str, take_tip: str) -> None:
        super().__init__()
        self._pixels: float | None = None
        self._length = 1.0
        self.size = with_tip(QDoubleSpinBox(), size_tip)
        self.size.setSpecialValueText(unset)
        self.size.setKeyboardTracking(False)
        # Room for the text in a narrow dock.
        self.size.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.size.setMinimumWidth(80)
        self.size.setAccessibleName("Object size")
        self.take = with_tip(QPushButton("From selection"), take_tip)
        layout = QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Object size"))
        layout.addWidget(self.size, 1)
        layout.addWidget(self.take)
        self.setLayout(layout)
        self.setVisible(False)
        self.show_unit(1.0, "px")
        self.size.valueChanged.connect(self._on_typed)

    @property
    def pixels(self) -> float | None:
        """The size in pixels, None for none."""
        return self._pixels

    def show_size(self, size: float | None) -> None:
        """Show a size in pixels, None for none, which is not emitted."""
        blocked = self.size.blockSignals(True)
        self._pixels = size or None
        self.size.setValue((size or 0.0) * self._length)
        self.size.blockSignals(blocked)

    def show_unset(self, text: str) -> None:
        """Show another text where no size is set."""
        self.size.setSpecialValueText(text)

    def show_unit(self, length: float, unit: str) -> None:
        """Show sizes in a unit.

        Parameters
        ----------
        length : float
            Length of a pixel in the unit.
        unit : str
            The unit, such as "µm"; "px" for pixels.
        """
        blocked = self.size.blockSignals(True)
        self._length = length
        self.size.setRange(0, LARGEST * length)
        self.size.setDecimals(1 if length >= 0.5 else 3)
        self.size.setSuffix(f" {unit}")
        self.size.blockSignals(blocked)
        self.show_size(self._pixels)

    def _on_typed(self, value: float) -> None:
        self._pixels = value / self._length or None
        self.size_set.emit(self._pixels)
