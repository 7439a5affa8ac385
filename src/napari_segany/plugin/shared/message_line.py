"""Message line of a dock, and guards that turn errors of slots into messages."""

import logging
from collections.abc import Callable
from typing import Any, Literal

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_segany.errors import SeganyError
from napari_segany.plugin.jobs.failures import describe_error

log = logging.getLogger(__name__)

Severity = Literal["info", "warning", "error"]
"""Severity of a message."""

# The text keeps the colour of napari's theme, so that it is readable in each of them.
STYLES: dict[Severity, str] = {
    "info": "",
    "warning": "QLabel { border-left: 3px solid #E69F00; padding: 3px 3px 3px 7px;"
    " background: rgba(230, 159, 0, 45); }",
    "error": "QLabel { border-left: 3px solid #CC3311; padding: 3px 3px 3px 7px;"
    " background: rgba(204, 51, 17, 90); font-weight: bold; }",
}
"""Style sheet of each severity."""


class MessageLine(QLabel):
    """Line with the latest message; an error disappears when the next action succeeds.

    Attributes
    ----------
    severity : {"info", "warning", "error"}
        Severity of the message shown.
    """

    def __init__(self) -> None:
        super().__init__()
        self.severity: Severity = "info"
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        # Names of files and layers may look like markup.
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.say("")

    def say(self, text: str, severity: Severity = "info") -> None:
        """Show a message; an empty one hides the line.

        Parameters
        ----------
        text : str
            Message.
        severity : {"info", "warning", "error"}
            Severity, shown by the style of the line.
        """
        severity = severity if text else "info"
        if severity != self.severity:
            self.severity = severity
            self.setStyleSheet(STYLES[severity])
            self.setAccessibleDescription(severity)
        self.setText(text)
        self.setVisible(bool(text))

    def say_error(self, error: Exception) -> None:
        """Show the message of an error; log the traceback of an unexpected one."""
        if not isinstance(error, SeganyError):
            log.error("Unexpected error in a dock.", exc_info=error)
        self.say(describe_error(error), "error")

    def clear_error(self) -> None:
        """Remove an error message, because a later action succeeded."""
        if self.severity == "error":
            self.say("")

    def guarded(self, act: Callable[[], Any]) -> Callable[..., None]:
        """Return a slot that ignores the signal's arguments and shows errors as messages."""

        def call(*_: Any) -> None:
            self._call(act)

        return call

    def guarded_with(self, act: Callable[..., Any]) -> Callable[..., None]:
        """Return a slot that passes on the signal's arguments and shows errors as messages."""

        def call(*values: Any) -> None:
            self._call(lambda: act(*values))

        return call

    def _call(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except Exception as error:
            self.say_error(error)
        else:
            self.clear_error()
