"""Button that begins the work of a dock, beside one that stops it, and why it cannot begin."""

from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_segany.plugin.shared.controls import column, primary, row


class StartRow(QWidget):
    """Buttons to start and to stop; while there is nothing to start, a line says what is missing.

    Parameters
    ----------
    start, stop : QPushButton
        The buttons; that to stop is disabled until work begins.

    Attributes
    ----------
    reason : QLabel
        Why the work cannot begin, hidden while it can.
    """

    def __init__(self, start: QPushButton, stop: QPushButton) -> None:
        super().__init__()
        self._start = start
        self.reason = QLabel("")
        self.reason.setWordWrap(True)
        stop.setEnabled(False)
        parts = column(row(primary(start), stop, wide=start), self.reason)
        parts.setContentsMargins(0, 0, 0, 0)
        self.setLayout(parts)
        self.show_state("")

    def show_state(self, reason: str, running: bool = False) -> None:
        """Enable the start unless it runs or there is a reason against it, which is shown."""
        self._start.setEnabled(not (reason or running))
        self._start.setAccessibleDescription(reason)
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))
