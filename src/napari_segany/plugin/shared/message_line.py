"""Message line of a dock, and guards that turn errors of slots into messages."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Literal

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QBoxLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_segany.errors import SeganyError
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.shared.choices import Choice

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

BELOW, BESIDE = QBoxLayout.Direction.TopToBottom, QBoxLayout.Direction.LeftToRight
"""Places of choices: a single one has room beside the message."""


class MessageLine(QWidget):
    """Latest message of a dock, and above it the latest warning or error.

    A warning or an error stays beside later messages until it is dismissed or another one comes. An
    error also disappears when the next action succeeds.

    Attributes
    ----------
    severity : {"info", "warning", "error"}
        Severity of the latest message.
    notice : QLabel
        Latest warning or error; hidden without one.
    line : QLabel
        Latest message of no severity; hidden while empty.
    """

    def __init__(self) -> None:
        super().__init__()
        self.severity: Severity = "info"
        self._notice_severity: Severity = "info"
        self._added: list[str] = []
        self.notice, self.line = _label(), _label()
        self.notice.setAccessibleName("Notice")
        self.line.setAccessibleName("Message")
        dismiss = QToolButton()
        dismiss.setText("\u00d7")
        dismiss.setToolTip("Dismiss")
        dismiss.setAccessibleName("Dismiss")
        dismiss.clicked.connect(lambda _=False: self.dismiss())
        self._notice_row = QWidget()
        row = QHBoxLayout(self._notice_row)
        column = QVBoxLayout(self)
        for layout in (row, column):
            layout.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.notice, 1)
        row.addWidget(dismiss)
        self._choices = QWidget()
        self._choice_row = QHBoxLayout(self._choices)
        self._choice_row.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._notice_row)
        self._latest = QBoxLayout(BELOW)
        self._latest.addWidget(self.line, 1)
        self._latest.addWidget(self._choices)
        column.addLayout(self._latest)
        self.say("")

    def text(self) -> str:
        """Return the latest message."""
        return (self.line if self.severity == "info" else self.notice).text()

    def say(self, text: str, severity: Severity = "info") -> None:
        """Show a message; an empty one removes the latest.

        Parameters
        ----------
        text : str
            Message.
        severity : {"info", "warning", "error"}
            Severity, shown by the style of the line.
        """
        self.offer(())
        if text and severity != "info":
            self._show_notice(text, severity)
            self.line.setText("")
        elif not text and self.severity != "info":
            self.dismiss()
        else:
            self.line.setText(text)
        self.severity = severity if text else "info"
        self._show_parts()

    def add_notice(self, text: str) -> None:
        """Show a warning of the background beside all that is shown; an error stays an error.

        A text that is shown already is not added again.
        """
        if text in self.notice.text().split("\n"):
            return
        self._added.append(text)
        severity: Severity = "error" if self._notice_severity == "error" else "warning"
        before = [each for each in (self.notice.text(),) if each]
        self._show_notice("\n".join([*before, text]), severity)

    def clear_notices(self) -> None:
        """Remove the warnings of the background; another message that they stand beside stays."""
        added, self._added = self._added, []
        lines = self.notice.text().split("\n")
        left = [line for line in lines if line not in added]
        if not left:
            self.dismiss()
        elif left != lines:
            self._show_notice("\n".join(left), self._notice_severity)

    def dismiss(self) -> None:
        """Remove the warning or error that is shown, and the choices."""
        self.offer(())
        self._show_notice("", "info")

    def offer(self, choices: Iterable[Choice]) -> None:
        """Show buttons beside the latest message, in place of those before; none without choices.

        They disappear with the next message.
        """
        while (item := self._choice_row.takeAt(0)) is not None:
            if (before := item.widget()) is not None:
                before.setParent(None)
                before.deleteLater()
        for choice in choices:
            made = QPushButton(choice.text)
            made.setToolTip(choice.tip)
            made.clicked.connect(self.guarded(choice.act))
            self._choice_row.addWidget(made)
        count = self._choice_row.count()
        self._latest.setDirection(BESIDE if count == 1 else BELOW)
        self._choices.setVisible(count > 0)

    def _show_notice(self, text: str, severity: Severity) -> None:
        if severity != self._notice_severity:
            self._notice_severity = severity
            self.notice.setStyleSheet(STYLES[severity])
            self.notice.setAccessibleDescription(severity)
        self.notice.setText(text)
        if not text:
            self.severity = "info"
        self._show_parts()

    def _show_parts(self) -> None:
        self._notice_row.setVisible(bool(self.notice.text()))
        self.line.setVisible(bool(self.line.text()))
        self.setVisible(bool(self.notice.text() or self.line.text()))

    def say_error(self, error: Exception) -> None:
        """Show the message of an error; log the traceback of an unexpected one."""
        if not isinstance(error, SeganyError):
            log.error("Unexpected error in a dock.", exc_info=error)
        self.say(describe_error(error), "error")

    def clear_error(self) -> None:
        """Remove an error, because a later action succeeded."""
        if self._notice_severity == "error":
            self.dismiss()

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


def _label() -> QLabel:
    made = QLabel()
    made.setWordWrap(True)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    # Names of files and layers may look like markup.
    made.setTextFormat(Qt.TextFormat.PlainText)
    return made
