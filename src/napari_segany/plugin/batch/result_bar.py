"""Line about the selected image, and buttons for the results of a batch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_segany.batch.plan import Outcome
from napari_segany.plugin.shared.controls import column, row


def copy_beside(dock: Any) -> None:
    """Copy the command line of a Batch dock's list, made in another thread, to the clipboard."""
    dock.jobs.run_beside(
        dock.files.prepare_command(dock.options),
        lambda made: dock.copy_text(*made),
        dock.message.say_error,
    )


class ResultBar(QWidget):
    """Buttons that open results, which are enabled while there are some.

    Parameters
    ----------
    button : callable
        Returns a button of a text, what it does and a tip; its errors are shown in the dock.
    open_report, open_results, copy_command : callable
        What the buttons do.

    Attributes
    ----------
    about : QLabel
        Name, content and state of the selected image in full, which the table has no room for.
    """

    def __init__(
        self,
        button: Callable[..., QPushButton],
        open_report: Callable[[], object],
        open_results: Callable[[], object],
        copy_command: Callable[[], object],
    ) -> None:
        super().__init__()
        self.about = QLabel("")
        self.about.setWordWrap(True)
        self.about.setVisible(False)
        self._report = button("Open report", open_report, "All results on one page, in the browser")
        self._results = button(
            "Open results", open_results, "The selected images with their labels; or double-click"
        )
        copy = button("Copy as command line", copy_command, "For a terminal or a cluster")
        layout = column(row(self._report, self._results), copy)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)

    @property
    def can_open(self) -> bool:
        """True if the selected images have results."""
        return self._results.isEnabled()

    def show_state(
        self, about: str, report: Path, outcomes: Sequence[Outcome], chosen: set[Path]
    ) -> None:
        """Show the selected image, and enable what there are results for.

        Parameters
        ----------
        about : str
            Text about the selected image, empty without one.
        report : Path
            Path of the report.
        outcomes : sequence of Outcome
            Outcomes of the images that were processed.
        chosen : set of Path
            The selected images.
        """
        self.about.setText(about)
        self.about.setVisible(bool(about))
        self._report.setEnabled(report.is_file())
        self._results.setEnabled(any(each.files and each.path in chosen for each in outcomes))
