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
        layout = column(*(row(*(self.buttons[name] for name in names)) for names in ROWS))
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.setLayout(layout)
