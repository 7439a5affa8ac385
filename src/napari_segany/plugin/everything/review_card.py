"""Card about the object that is reviewed: a picture, and why it deserves a look."""

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_segany.core.masks import MaskSet
from napari_segany.plugin.everything.found_masks import ReviewedObject
from napari_segany.plugin.shared.pixmaps import pixmap_of
from napari_segany.plugin.shared.thumbnails import draw_thumbnail


class ReviewCard(QWidget):
    """Picture of an object beside a text; hidden without an object.

    Attributes
    ----------
    text : QLabel
        The text.
    picture : QLabel
        The picture.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: ReviewedObject | None = None
        self.picture, self.text = QLabel(), QLabel()
        self.text.setWordWrap(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.picture, alignment=Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.text, 1)
        self.setVisible(False)

    def show_object(self, each: ReviewedObject | None, number: int, done: int, left: int) -> bool:
        """Show an object; return True if it is another one than before.

        Parameters
        ----------
        each : ReviewedObject or None
            The object.
        number : int
            Its number in the layer in view.
        done : int
            Objects of the plane about which a person has decided.
        left : int
            The other objects.
        """
        new, self._shown = each is not self._shown, each
        self.setVisible(each is not None)
        if each is not None:
            why = ", ".join(each.reasons) or "nothing speaks against it"
            self.text.setText(f"Object {number}, {done + 1} of {done + left}: {why}.")
            if new:
                self.show_picture(each.mask, None)
        return new and each is not None

    def show_picture(self, mask: MaskSet, picture: NDArray[np.uint8] | None) -> None:
        """Draw the object on a picture of the image, if it is still shown."""
        if self._shown is not None and mask is self._shown.mask:
            drawn = draw_thumbnail(mask, 0, picture)
            self.picture.setPixmap(pixmap_of(drawn))
