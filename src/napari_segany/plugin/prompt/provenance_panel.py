"""Panel that saves the provenance of the labels and replays a saved session."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_segany.plugin.shared.controls import button, grid


class ProvenancePanel(QWidget):
    """Buttons: save, replay, and copy as text."""

    save_requested = Signal()
    """Emitted to save the session as JSON."""

    replay_requested = Signal()
    """Emitted to compute the labels of a saved session."""

    python_requested = Signal()
    """Emitted to copy a script that computes the labels."""

    command_requested = Signal()
    """Emitted to copy a command that computes the labels."""

    def __init__(self) -> None:
        super().__init__()
        buttons = (
            ("Save…", "Every commit with its prompts, as JSON", self.save_requested),
            ("Copy as Python", "A script that computes the same labels", self.python_requested),
            (
                "Replay…",
                "Compute a saved file's labels on this image, in a layer of their own",
                self.replay_requested,
            ),
            (
                "Copy as command line",
                "The same for a terminal or a cluster",
                self.command_requested,
            ),
        )
        layout = grid(*(button(text, signal.emit, tip) for text, tip, signal in buttons))
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
