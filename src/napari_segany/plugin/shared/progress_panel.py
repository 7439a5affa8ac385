"""Progress bar of a dock with a line of text below it."""

import time

from qtpy.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget


class ProgressPanel(QWidget):
    """Progress bar and text; hidden while nothing is in progress.

    Attributes
    ----------
    bar : QProgressBar
        The bar.
    line : QLabel
        Text below the bar, hidden while empty.
    """

    def __init__(self) -> None:
        super().__init__()
        self._started = 0.0
        self.bar = QProgressBar()
        self.line = QLabel("")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.bar)
        column.addWidget(self.line)
        self.finish()

    def start_clock(self) -> None:
        """Set the start time from which :meth:`seconds_left` extrapolates."""
        self._started = time.monotonic()

    def seconds_left(self, done: float, total: float) -> float:
        """Return the estimated time until ``done`` equals ``total``."""
        return (time.monotonic() - self._started) * (total - done) / max(done, 1e-6)

    def show_progress(self, done: float, total: int, text: str = "", steps: int = 1) -> None:
        """Show progress.

        Parameters
        ----------
        done, total : number
            Finished units and all units.
        text : str
            Text below the bar.
        steps : int
            Steps of the bar per unit.
        """
        self.bar.setRange(0, total * steps)
        self.bar.setValue(round(done * steps))
        self._show(text)

    def show_bytes(self, done: int, total: int | None) -> None:
        """Show the progress of a download, in KiB because Qt's progress bars count in 32 bits."""
        self.bar.setRange(0, 0 if total is None else total // 1024)
        self.bar.setValue(done // 1024)
        self._show("")

    def show_busy(self) -> None:
        """Show that work of unknown length is in progress."""
        self.bar.setRange(0, 0)
        self._show("")

    def finish(self) -> None:
        """Hide the panel."""
        self.setVisible(False)
        self.line.setText("")

    def _show(self, text: str) -> None:
        self.line.setText(text)
        self.line.setVisible(bool(text))
        self.setVisible(True)


def duration(seconds: float) -> str:
    """Return a duration as text in seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
