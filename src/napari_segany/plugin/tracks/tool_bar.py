"""Buttons of the corrections, with their keys."""

from collections.abc import Callable

from qtpy.QtWidgets import QPushButton, QWidget

from napari_segany.plugin.shared.controls import button, column, row
from napari_segany.plugin.tracks.keys import KEYS

TOOLS = {
    "join": ("Join", "Join the two selected tracks"),
    "cut": ("Cut", "Cut the selected track before the frame in view"),
    "swap": ("Swap", "Swap the two selected tracks from the frame in view on"),
    "divide": (
        "Division",
        "The first selected track divides from the frame in view on: into its continuation and "
        "the second, or into the second and the third",
    ),
    "undivide": ("No division", "Take the division of the selected track back"),
    "merge": ("Merge", "Merge the selected objects of the frame in view"),
    "split": ("Split", "Split the selected object: click on its two parts"),
    "fill": ("Fill", "Add the selected track to the frame in view, where it is missing"),
    "delete_object": ("Delete object", "Delete the selected objects of the frame in view"),
    "delete_track": ("Delete track", "Delete the selected track in all frames"),
    "undo": ("Undo", "Undo one step"),
    "redo": ("Redo", "Redo the step that was undone last"),
}
"""Text and tip of each button, by the method of the dock."""

LEAST_SELECTED = {
    **dict.fromkeys(("join", "swap", "divide", "merge"), 2),
    **dict.fromkeys(("cut", "undivide", "split", "fill", "delete_object", "delete_track"), 1),
}
"""Tracks that must be selected at least, by the method of the dock."""

PAIRS = ("join", "swap")
"""Methods for which no more than two may be selected."""

ROWS = (
    ("join", "cut", "swap"),
    ("divide", "undivide"),
    ("merge", "split", "fill"),
    ("delete_object", "delete_track"),
    ("undo", "redo"),
)
"""Buttons side by side: of links, of divisions, of objects."""


class ToolBar(QWidget):
    """Buttons of the corrections.

    Parameters
    ----------
    acts : callable
        Returns what a button does, by the name of its method.

    Attributes
    ----------
    buttons : dict
        The buttons by the names of methods.
    """

    def __init__(self, acts: Callable[[str], Callable[[], object]]) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        for name, (text, tip) in TOOLS.items():
            key = next(key for key, method in KEYS.items() if method == name)
            self.buttons[name] = button(text, acts(name), f"{tip} (key {key})")
        self._tips = {name: made.toolTip() for name, made in self.buttons.items()}
        self.show_selected(0)
        layout = column(*(row(*(self.buttons[name] for name in names)) for names in ROWS))
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.setLayout(layout)

    def show_selected(self, count: int) -> None:
        """Enable what is possible with so many selected tracks; tooltips say what is missing."""
        for name, least in LEAST_SELECTED.items():
            reason = _reason(count, least)
            if name in PAIRS and count > least:
                reason = f"Select two tracks only; {count} are selected."
            self.buttons[name].setEnabled(not reason)
            self.buttons[name].setToolTip(f"{self._tips[name]}\n{reason}".strip())


def _reason(count: int, least: int) -> str:
    """Return what to select before a correction is possible; empty if it is."""
    if count >= least:
        return ""
    if least == 1:
        return "Select a track first: click on its object."
    return "Select two tracks first: click on an object, and Shift+click on another."
