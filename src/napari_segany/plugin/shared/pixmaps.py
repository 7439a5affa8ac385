"""Pictures as Qt's pixmaps."""

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPainter, QPixmap


def pixmap_of(picture: NDArray[np.uint8]) -> QPixmap:
    """Return an (H, W, 3) picture as a pixmap."""
    height, width = picture.shape[:2]
    image = QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    # The image refers to memory that ends here.
    return QPixmap.fromImage(image.copy())


def dimmed(pixmap: QPixmap, opacity: float) -> QPixmap:
    """Return a pixmap through which what is behind shows; ``opacity`` is 0..1."""
    faded = QPixmap(pixmap.size())
    faded.fill(Qt.GlobalColor.transparent)
    painter = QPainter(faded)
    painter.setOpacity(opacity)
    painter.drawPixmap(0, 0, pixmap)
    painter.end()
    return faded
