"""Export to TIFF stacks: an overlay per plane, or a page per mask."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_segany.core.intensity import to_rgb
from napari_segany.io.exports.plane import ExportedImage, ResultPlane
from napari_segany.io.overlay import draw_overlay


class _PageWriter:
    """TIFF file under construction, with pages of one size."""

    def __init__(self) -> None:
        # tifffile wants a file with a name.
        self._file = tempfile.NamedTemporaryFile()  # noqa: SIM115
        # The number of pages is not known beforehand, so any size must be possible.
        self._tiff = tifffile.TiffWriter(self._file.file, bigtiff=True)

    def write(self, page: NDArray[np.uint8], **tags: Any) -> None:
        self._tiff.write(
            page, compression="zlib", metadata=None, software=False, contiguous=False, **tags
        )

    def save(self, path: Path) -> None:
        """See :class:`Export`."""
        self._tiff.close()
        self._file.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(self._file, file)

    def close(self) -> None:
        """See :class:`Export`."""
        self._tiff.close()
        self._file.close()


class OverlayExport(_PageWriter):
    """TIFF stack of overlays, one per plane, with every object outlined."""

    def __init__(self, about: ExportedImage) -> None:
        super().__init__()
        self._limits = about.limits

    def add(self, plane: ResultPlane) -> None:
        """See :class:`Export`."""
        rgb = to_rgb(plane.image(), self._limits)
        self.write(draw_overlay(rgb, plane.labels), photometric="rgb", predictor=True)


class MaskExport(_PageWriter):
    """TIFF stack with a page per object, in the order of ids, 255 inside its mask.

    Masks are whole here, also where another object lies over them in the labels.
    """

    def __init__(self, about: ExportedImage) -> None:
        super().__init__()
        self._shape = about.layout.labels_shape[-2:]
        self._count = 0

    def add(self, plane: ResultPlane) -> None:
        """See :class:`Export`."""
        for i in range(len(plane.masks)):
            self.write(plane.masks.mask(i) * np.uint8(255), photometric="minisblack")
        self._count += len(plane.masks)

    def save(self, path: Path) -> None:
        """See :class:`Export`."""
        if not self._count:
            # A TIFF file has at least one page.
            self.write(np.zeros(self._shape, np.uint8), photometric="minisblack")
        super().save(path)
