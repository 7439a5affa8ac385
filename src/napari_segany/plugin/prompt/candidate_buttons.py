"""Buttons for the candidates of the active object, with thumbnails and scores."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_segany.core.masks import MaskSet
from napari_segany.plugin.shared.controls import set_style_property
from napari_segany.plugin.shared.pixmaps import dimmed, pixmap_of
from napari_segany.plugin.shared.theme import follow_theme, line_colour, quiet_colour
from napari_segany.plugin.shared.thumbnails import SIDE, draw_thumbnail

CANDIDATES = 3

WIDTH = 75
"""Width of a button in pixels; three of them fit into a dock."""

HEIGHT = 98
"""Height in pixels that is kept free without candidates, so that no button moves."""

WHOLE_PLANE = 0.9
"""Share of the plane from which a candidate is dimmed: it is hardly ever an object."""

DIMMED = 0.35
"""Opacity of pictures of dimmed candidates; the frame of the chosen one stays bright."""


class CandidateButtons(QWidget):
    """Buttons for the candidates of the active object; that of the chosen one has a frame."""

    chosen = Signal(int)
    """Emitted with the number of the candidate whose button was clicked, 0 for the best."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        self.setMinimumHeight(HEIGHT)
        self.buttons: list[QToolButton] = []
        self.shown: MaskSet | None = None
        plain = "QToolButton { border: 2px solid transparent; padding: 0; font-size: 10px; }"
        chosen = "QToolButton:checked {{ border: 2px solid {}; }}"
        fills = 'QToolButton[fills="true"] {{ color: {}; }}'
        for number in range(CANDIDATES):
            button = QToolButton()
            button.setToolTip("A candidate with its predicted IoU and its stability, up to 1 each")
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(SIDE, SIDE))
            button.setFixedWidth(WIDTH)
            follow_theme(
                button,
                lambda: f"{plain} {chosen.format(line_colour())} {fills.format(quiet_colour())}",
            )
            button.clicked.connect(partial(self._on_click, number))
            self.buttons.append(button)
            row.addWidget(button)

    def _on_click(self, number: int, checked: bool = False) -> None:
        self.chosen.emit(number)

    def show_candidates(self, candidates: MaskSet | None, chosen: int) -> bool:
        """Show candidates and mark the chosen one; return True if they are new."""
        new, self.shown = candidates is not self.shown, candidates
        for number, button in enumerate(self.buttons):
            exists = candidates is not None and number < len(candidates)
            button.setVisible(exists)
            button.setChecked(exists and number == chosen)
            if new and candidates is not None and exists:
                iou, stability = (
                    min(float(scores[number]), 1.0)
                    for scores in (candidates.predicted_iou, candidates.stability_score)
                )
                button.setText(f"IoU {iou:.2f}\nstability {stability:.2f}")
                button.setAccessibleName(f"Candidate {number + 1}, IoU {iou:.2f}")
                set_style_property(button, "fills", _fills_plane(candidates, number))
        if new and candidates is not None:
            self.show_pictures(candidates, [None] * CANDIDATES)
        return new

    def show_pictures(
        self, candidates: MaskSet, pictures: Sequence[NDArray[np.uint8] | None]
    ) -> None:
        """Draw the candidates on pictures of the image, if they are still shown."""
        if candidates is self.shown:
            for number, picture in enumerate(pictures[: len(candidates)]):
                pixmap = pixmap_of(draw_thumbnail(candidates, number, picture))
                if _fills_plane(candidates, number):
                    pixmap = dimmed(pixmap, DIMMED)
                self.buttons[number].setIcon(QIcon(pixmap))


def _fills_plane(candidates: MaskSet, number: int) -> bool:
    return bool(candidates.area[number] > WHOLE_PLANE * np.prod(candidates.shape))
