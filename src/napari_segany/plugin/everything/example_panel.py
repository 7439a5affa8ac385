"""Controls for finding objects like examples, folded away."""

from typing import Any

from napari.layers import Labels, Shapes
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_segany.generators.exemplars.example_set import ExampleSet
from napari_segany.plugin.shared.controls import column, form, grid, panel, with_tip
from napari_segany.plugin.shared.fold import Fold
from napari_segany.plugin.shared.layer_combo import LayerCombo

BUTTONS = {
    "Find alike": "Search for objects like this one",
    "Add example": "Search for objects like this one, or like the examples before",
    "Not this one": "This object is not wanted; search again without what resembles it",
    "Forget examples": "Begin with other examples; what was found stays",
}
"""Tooltips of the buttons, by their text."""

NOTHING = "Click on an object, or choose a layer with one, and press Find alike."
MORE = "If others are found, too: press Not this one"
BY_LIKENESS = ", or search again with Rank by: likeness"
"""Advice while masks are ranked by quality."""


class ExamplePanel(QWidget):
    """A choice of the layer with examples, buttons, and a line about the examples so far.

    Attributes
    ----------
    layer : LayerCombo
        Labels whose selected object is an example, or shapes that are boxes around some.
    buttons : dict
        Push buttons by their text.
    line : QLabel
        Examples so far, in words.
    fold : Fold
        The part that folds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layer = LayerCombo(
            [Labels, Shapes],
            "selected object",
            "The example: the object selected among those found or in labels, or all boxes of a "
            "shapes layer in this plane",
        )
        self.buttons = {text: with_tip(QPushButton(text), tip) for text, tip in BUTTONS.items()}
        self.line = QLabel()
        self.line.setWordWrap(True)
        parts = column(form([("Example", self.layer)]), grid(*self.buttons.values()), self.line)
        self.fold = Fold("Find alike", panel(parts))
        around = column(self.fold)
        around.setContentsMargins(0, 0, 0, 0)
        self.setLayout(around)
        self.show_examples(None)

    def show_examples(self, examples: ExampleSet | None, by_likeness: bool = False) -> None:
        """Show what the examples are, and how masks are ranked; the buttons for more need one."""
        advice = MORE if by_likeness else MORE + BY_LIKENESS
        self.line.setText(NOTHING if examples is None else f"{examples.summary}. {advice}.")
        for text in ("Add example", "Not this one", "Forget examples"):
            self.buttons[text].setEnabled(examples is not None)

    @property
    def chosen_layer(self) -> Any:
        """The layer with the example, None for the objects that were found."""
        return self.layer.layer
