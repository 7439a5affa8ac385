"""Offers of other searches, shown where no object passes."""

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_segany.plugin.everything.suggestions import Suggestion

MOST = 2
"""Searches that are offered at once."""


class SearchAgain(QWidget):
    """A reason and a button for each search that is offered; hidden without one.

    Attributes
    ----------
    reasons : list of QLabel
        The reasons.
    buttons : list of QPushButton
        The buttons.
    """

    chosen = Signal(object)
    """Emitted with the :class:`Suggestion` whose button was pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.offers: Sequence[Suggestion] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.reasons: list[QLabel] = []
        self.buttons: list[QPushButton] = []
        for number in range(MOST):
            reason, made = QLabel(), QPushButton()
            reason.setWordWrap(True)
            made.clicked.connect(lambda _=False, n=number: self.chosen.emit(self.offers[n]))
            self.reasons.append(reason)
            self.buttons.append(made)
            column.addWidget(reason)
            column.addWidget(made)
        self.show_offers(())

    def show_offers(self, offers: Sequence[Suggestion]) -> None:
        """Show searches to choose from, the most promising first."""
        self.offers = offers = offers[:MOST]
        self.setVisible(bool(offers))
        for number, (reason, made) in enumerate(zip(self.reasons, self.buttons, strict=True)):
            there = number < len(offers)
            reason.setVisible(there)
            made.setVisible(there)
            if there:
                reason.setText(offers[number].reason)
                made.setText(offers[number].title)
                made.setToolTip("Begin this search now")
