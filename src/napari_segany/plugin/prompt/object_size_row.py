"""Row of the Prompt dock for the size of objects on large planes."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_segany.plugin.shared.controls import with_tip

LARGEST = 1e6
"""Largest size in pixels that can be set."""


class ObjectSizeRow(QWidget):
    """Object size in pixels, or as zoomed, and a button that takes it from the selection.

    Hidden unless the plane is large enough to be seen in crops.

    Attributes
    ----------
    size : QDoubleSpinBox
        Size in pixels; 0 for as zoomed.
    take : QPushButton
        Takes the size from the selected shape or object.
    size_set : Signal
        Emitted with the size in pixels; None for as zoomed.
    """

    size_set = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.size = with_tip(
            QDoubleSpinBox(),
            "Longer side of the objects that you click on. As zoomed: the model sees about what "
            "you see. Boxes state the size of their object.",
        )
        self.size.setRange(0, LARGEST)
        self.size.setDecimals(1)
        self.size.setSpecialValueText("as zoomed")
        self.size.setSuffix(" px")
        self.size.setKeyboardTracking(False)
        # Room for the text in a narrow dock.
        self.size.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.size.setMinimumWidth(80)
        self.size.setAccessibleName("Object size")
        self.take = with_tip(
            QPushButton("From selection"),
            "Take the size of the selected box, of the active object, or of the last commit",
        )
        layout = QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Object size"))
        layout.addWidget(self.size, 1)
        layout.addWidget(self.take)
        self.setLayout(layout)
        self.setVisible(False)
        self.size.valueChanged.connect(lambda value: self.size_set.emit(value or None))

    def show_size(self, size: float) -> None:
        """Show a size in pixels, which is not emitted."""
        blocked = self.size.blockSignals(True)
        self.size.setValue(size)
        self.size.blockSignals(blocked)
