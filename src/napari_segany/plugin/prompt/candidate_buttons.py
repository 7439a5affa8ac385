"""The readings of a click: small pictures of the candidates, with their scores."""

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_segany.core.masks import MaskSet

CANDIDATES = 3
THUMBNAIL = 72


class CandidateButtons(QWidget):
    """Buttons for the candidates of the active object.

    Parameters
    ----------
    choose : callable
        Called with the number of the one that is clicked.
    """

    def __init__(self, choose: Callable[[int], Any]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.buttons: list[Any] = []
        self._shown: tuple[MaskSet | None, int] = (None, -1)
        for number in range(CANDIDATES):
            button = QToolButton()
            button.setToolTip("One reading: the IoU that the model expects, and stability")
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
            button.clicked.connect(lambda _=False, n=number: choose(n))
            self.buttons.append(button)
            row.addWidget(button)

    def show_candidates(self, found: MaskSet | None, chosen: int) -> None:
        """Show these candidates, one of them outlined as the chosen one."""
        same = found is self._shown[0]
        self._shown = found, chosen
        for number, button in enumerate(self.buttons):
            there = found is not None and number < len(found)
            button.setEnabled(there)
            button.setChecked(there and number == chosen)
            text = ""
            if found is not None and there:
                # Themes hardly show which button is down.
                mark = "\u25b8 " if number == chosen else ""
                text = (
                    f"{mark}{found.predicted_iou[number]:.2f}, {found.stability_score[number]:.2f}"
                )
            button.setText(text)
            if not same:
                shown = found is not None and there
                button.setIcon(thumbnail(found, number) if found and shown else QIcon())


def thumbnail(found: MaskSet, number: int) -> QIcon:
    """One mask in its plane, small and square; no more of it is looked at than its own box."""
    height, width = found.shape
    step = max(1, max(height, width) // THUMBNAIL)
    rows, cols = -(-height // step), -(-width // step)
    side = max(rows, cols)
    image = np.zeros((side, side, 4), np.uint8)
    inside = image[(side - rows) // 2 :, (side - cols) // 2 :][:rows, :cols]
    inside[..., 3] = 60
    a, b = (int(n) for n in found.boxes[number][:2])
    top, left = -(-a // step), -(-b // step)
    crop = found.crop(number)[top * step - a :: step, left * step - b :: step]
    inside[top : top + crop.shape[0], left : left + crop.shape[1]][crop] = (230, 160, 40, 255)
    shown = QImage(image.data, side, side, QImage.Format.Format_RGBA8888).copy()
    return QIcon(QPixmap.fromImage(shown).scaled(THUMBNAIL, THUMBNAIL))
