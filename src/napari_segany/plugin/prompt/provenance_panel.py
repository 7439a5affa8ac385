"""The part of the Prompt widget that keeps how labels came about, and does it again."""

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget


class ProvenancePanel(QWidget):
    """Buttons: save, do again, and copy as text.

    Parameters
    ----------
    save, replay, copy_python, copy_command : callable
        What they do.
    """

    def __init__(
        self,
        save: Callable[[], Any],
        replay: Callable[[], Any],
        copy_python: Callable[[], Any],
        copy_command: Callable[[], Any],
    ) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for place, (text, tip, act) in enumerate(
            (
                ("Save ...", "Every commit with its prompts, as JSON", save),
                ("Do again ...", "Compute a saved file's labels on this image, in a layer of their "
                 "own", replay),
                ("Copy as Python", "A script that computes the same labels", copy_python),
                ("Copy as command line", "The same for a terminal or a cluster", copy_command),
            )
        ):  # fmt: skip
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, call=act: call())
            grid.addWidget(button, place // 2, place % 2)
