"""The line in which a widget says how it goes."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton

from napari_segany.errors import SeganyError


class MessageLine(QLabel):
    """A line of text; a complaint leaves it when what is done next succeeds."""

    def __init__(self) -> None:
        super().__init__()
        self._complaint = ""
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        # Names of files and layers are text, whatever they look like.
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.say("")

    def say(self, text: str) -> None:
        """Say something; nothing takes no room."""
        self._complaint = ""
        self.setText(text)
        self.setVisible(bool(text))

    def complain(self, text: str) -> None:
        """Say why something cannot be done."""
        self.say(text)
        self._complaint = text

    def settle(self) -> None:
        """Something was done: a complaint from before is answered."""
        if self._complaint and self.text() == self._complaint:
            self.say("")

    def guarded(self, act: Callable[[], Any]) -> Callable[..., None]:
        """A control's act; what cannot be done is said here, never in a dialog."""

        def call(*_: Any) -> None:
            try:
                act()
            except SeganyError as error:
                self.complain(str(error))
            else:
                self.settle()

        return call

    def button(self, text: str, act: Callable[[], Any], tip: str) -> QPushButton:
        """A button for something that is :meth:`guarded`."""
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(self.guarded(act))
        return button

    def row(self, *buttons: tuple[str, Callable[[], Any], str]) -> QHBoxLayout:
        """Such buttons beside each other: text, act and tooltip of each."""
        row = QHBoxLayout()
        for text, act, tip in buttons:
            row.addWidget(self.button(text, act, tip))
        return row
