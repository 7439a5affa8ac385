"""Export to ROIs of ImageJ and Fiji."""

from pathlib import Path

import numpy as np
from roifile import ImagejRoi

from napari_segany.io.exports.deterministic_zip import DeterministicZip
from napari_segany.io.exports.outline import outline, parts_of
from napari_segany.io.exports.plane import ExportedImage, ResultPlane


class RoiExport:
    """Zip of ImageJ ROIs: an outline per connected component of an object, holes filled.

    An outline goes around the centres of the object's pixels, so that ImageJ makes the same pixels
    of it. It is named by the object's id, with the number of the part if there are several.
    """

    def __init__(self, about: ExportedImage) -> None:
        self._zip = DeterministicZip()

    def add(self, plane: ResultPlane) -> None:
        """See :class:`Export`."""
        at = {axis.lower(): n for axis, n in plane.place.items() if axis in "TZ"}
        for number, origin, parts in parts_of(plane.labels):
            for k, part in enumerate(parts, start=1):
                border = np.add(origin, plane.origin) + outline(part)
                name = f"{plane.id_of(number):06d}" + (f"-{k}" if len(parts) > 1 else "")
                # In ImageJ a pixel's centre is half a pixel from its corner, where 0 is.
                roi = ImagejRoi.frompoints(border[:, ::-1] + 0.5, name=name, **at)
                self._zip.write(f"{name}.roi", roi.tobytes())

    def save(self, path: Path) -> None:
        """See :class:`Export`."""
        self._zip.save(path)

    def close(self) -> None:
        """See :class:`Export`."""
        self._zip.close()
