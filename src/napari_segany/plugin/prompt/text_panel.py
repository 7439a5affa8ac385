"""Panel with a line of words that find objects."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_segany.core.parameter_info import parameters_of
from napari_segany.generators.text_params import TextParams
from napari_segany.plugin.shared.controls import button, column, row
from napari_segany.plugin.shared.parameter_controls import TextControl


class TextPanel(QWidget):
    """A line for phrases, and the button that finds what they name.

    Attributes
    ----------
    requested : Signal
        Emitted with the phrases.
    phrases : TextControl
        The line.
    """

    requested = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        self.phrases = TextControl(parameters_of(TextParams)["text"])
        self.phrases.returnPressed.connect(self._request)
        find = button(
            "Find",
            self._request,
            "A text model, trained on photographs, finds what the words name; each box is an open "
            "object, which points correct",
        )
        layout = column(row(self.phrases, find, wide=self.phrases))
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)

    def _request(self) -> None:
        self.requested.emit(self.phrases.parameter)
