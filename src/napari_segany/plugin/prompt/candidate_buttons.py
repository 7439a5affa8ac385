"""Buttons for the candidates of the active object, with thumbnails and scores."""

from functools import partial

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_segany.core.masks import MaskSet

CANDIDATES = 3
THUMBNAIL = 72


class CandidateButtons(QWidget):
    """Buttons for the candidates of the active object."""

    chosen = Signal(int)
    """Emitted with the number of the candidate whose button was clicked, 0 for the best."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.buttons: list[QToolButton] = []
        self._shown: MaskSet | None = None
        for number in range(CANDIDATES):
            button = QToolButton()
            button.setToolTip("A candidate with its predicted IoU and its stability")
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
            button.clicked.connect(partial(self._on_click, number))
            self.buttons.append(button)
            row.addWidget(button)

    def _on_click(self, number: int, checked: bool = False) -> None:
        self.chosen.emit(number)

    def show_candidates(self, candidates: MaskSet | None, chosen: int) -> None:
        """Show candidates and mark the chosen one."""
        same, self._shown = candidates is self._shown, candidates
        for number, button in enumerate(self.buttons):
            exists = candidates is not None and number < len(candidates)
            button.setEnabled(exists)
            button.setChecked(exists and number == chosen)
            text = ""
            if candidates is not None and exists:
                # Many themes hardly show a checked button.
                mark = "\u25b8 " if number == chosen else ""
                iou = candidates.predicted_iou[number]
                text = f"{mark}{iou:.2f}, {candidates.stability_score[number]:.2f}"
            button.setText(text)
            if not same:
                button.setIcon(thumbnail(candidates, number) if candidates and exists else QIcon())


def thumbnail(candidates: MaskSet, number: int) -> QIcon:
    """Return a small square icon of one mask in its plane; only the mask's box is read."""
    height, width = candidates.shape
    step = max(1, max(height, width) // THUMBNAIL)
    rows, cols = -(-height // step), -(-width // step)
    side = max(rows, cols)
    image = np.zeros((side, side, 4), np.uint8)
    inside = image[(side - rows) // 2 :, (side - cols) // 2 :][:rows, :cols]
    inside[..., 3] = 60
    a, b = (int(n) for n in candidates.boxes[number][:2])
    top, left = -(-a // step), -(-b // step)
    crop = candidates.crop(number)[top * step - a :: step, left * step - b :: step]
    inside[top : top + crop.shape[0], left : left + crop.shape[1]][crop] = (230, 160, 40, 255)
    shown = QImage(image.data, side, side, QImage.Format.Format_RGBA8888).copy()
    return QIcon(QPixmap.fromImage(shown).scaled(THUMBNAIL, THUMBNAIL))
