"""Controls for sorting objects into classes, folded away."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QLineEdit, QPushButton, QWidget

from napari_segany.classification.class_set import MOST_CLASSES
from napari_segany.plugin.everything.sorted_objects import SortedObjects
from napari_segany.plugin.shared.controls import column, grid, panel, with_tip
from napari_segany.plugin.shared.fold import Fold

BUTTONS = {
    "Add class": "One more class",
    "Learn from decisions": "Leave out what resembles rejected objects more than accepted ones",
    "Forget classes": "No classes any more; objects that were left out come back",
}
"""Tooltips of the buttons, by their text."""

HOW = "Click on an object, and press the key of its class, 1 or 2."
"""Line before any object has a class."""

ONE_CLASS = "Now give an object to another class by its key; then all others follow."
"""Line while a single class has objects."""

SORTED = (
    "The others have followed. The most doubtful object is selected: press the key of its class. "
    "Make labels writes the classes, too."
)
"""Line with objects in two classes or more."""


class SortPanel(QWidget):
    """A row for each class, with its key, colour, name and number of labelled objects.

    Attributes
    ----------
    renamed : Signal
        Emitted with the number of a class and its new name.
    given : Signal
        Emitted with the number of the class whose key was clicked.
    buttons : dict
        Push buttons by their text.
    keys, names : list
        Button and name of each class; those beyond the classes are hidden.
    line : QLabel
        How to go on.
    fold : Fold
        The part that folds.
    """

    renamed = Signal(int, str)
    given = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.buttons = {text: with_tip(QPushButton(text), tip) for text, tip in BUTTONS.items()}
        self.line = QLabel(HOW)
        self.line.setWordWrap(True)
        self.keys = [QPushButton(str(k + 1)) for k in range(MOST_CLASSES)]
        self.names = [QLineEdit() for _ in range(MOST_CLASSES)]
        self._counts = [QLabel() for _ in range(MOST_CLASSES)]
        rows = QGridLayout()
        for k, (key, name, count) in enumerate(
            zip(self.keys, self.names, self._counts, strict=True)
        ):
            key.setFixedWidth(36)
            key.setToolTip(f"Give the selected object to this class (key {k + 1})")
            key.clicked.connect(lambda _, k=k: self.given.emit(k))
            name.setToolTip("Name of the class, in tables and exports")
            name.editingFinished.connect(lambda k=k: self._on_name(k))
            for at, part in enumerate((key, name, count)):
                rows.addWidget(part, k, at)
        parts = column(self.line, rows, grid(*self.buttons.values()))
        self.fold = Fold("Sort by example", panel(parts))
        around = column(self.fold)
        around.setContentsMargins(0, 0, 0, 0)
        self.setLayout(around)
        self.show_classes(None)

    def show_classes(self, sorting: SortedObjects | None) -> None:
        """Show the classes of an image, or none."""
        classes = () if sorting is None else sorting.classes
        counts = () if sorting is None else sorting.class_set.counts
        for k in range(MOST_CLASSES):
            shown = k < len(classes)
            for part in (self.keys[k], self.names[k], self._counts[k]):
                part.setVisible(shown)
            if shown:
                each = classes[k]
                self.keys[k].setStyleSheet(f"background-color: {each.colour}; color: black;")
                if not self.names[k].hasFocus():
                    self.names[k].setText(each.name)
                left_out = ", left out" if each.left_out else ""
                self._counts[k].setText(f"{counts[k]} labelled{left_out}")
        given = sum(count > 0 for count in counts)
        self.line.setText((HOW, ONE_CLASS, SORTED)[min(given, 2)])
        self.buttons["Forget classes"].setEnabled(bool(classes))
        self.buttons["Add class"].setEnabled(len(classes) < MOST_CLASSES)

    def _on_name(self, number: int) -> None:
        self.renamed.emit(number, self.names[number].text().strip())
