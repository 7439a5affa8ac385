"""Objects in the formats of other programs: COCO's JSON, and ROIs for ImageJ and Fiji."""

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from roifile import ImagejRoi
from scipy import ndimage
from skimage.measure import find_contours

from napari_segany.core.labels import EIGHT_NEIGHBOURS
from napari_segany.core.masks import MaskSet

_IN_MEMORY = 16 * 2**20
"""Bytes kept before the rest goes to a temporary file."""

_NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can hold: the same bytes whenever it is written."""


class Export(Protocol):
    """Takes one plane after the other and writes a file at the end."""

    def add(
        self,
        place: dict[str, int],
        labels: NDArray[np.integer],
        first: int,
        masks: MaskSet,
    ) -> None:
        """Take a plane.

        Parameters
        ----------
        place : dict
            Index along each leading axis.
        labels : ndarray
            (Y, X), ids from 1 on.
        first : int
            What id 1 is in the whole stack.
        masks : MaskSet
            The mask of each id, in order.
        """
        ...

    def save(self, path: Path, name: str) -> None:
        """Write everything; ``name`` is the image's."""
        ...

    def close(self) -> None:
        """Let go of temporary files."""
        ...


class CocoExport:
    """COCO's instance format: an image a plane, masks as run lengths, overlaps kept.

    Ids of annotations are those in the label image; ``plane`` of an image is its index along the
    leading axes.
    """

    def __init__(self) -> None:
        self._spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            max_size=_IN_MEMORY, mode="w+", encoding="utf-8"
        )
        self._images: list[dict[str, Any]] = []

    def add(
        self, place: dict[str, int], labels: NDArray[np.integer], first: int, masks: MaskSet
    ) -> None:
        """See :class:`Export`."""
        number = len(self._images) + 1
        height, width = labels.shape
        self._images.append({"id": number, "height": height, "width": width, "plane": place})
        for annotation in masks.to_coco(image_id=number):
            annotation["id"] += first - 1
            self._spool.write(json.dumps(annotation) + "\n")

    def save(self, path: Path, name: str) -> None:
        """See :class:`Export`."""
        images = [{**image, "file_name": name} for image in self._images]
        categories = [{"id": 1, "name": "object"}]
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write('{"images": ' + json.dumps(images))
            file.write(', "categories": ' + json.dumps(categories) + ', "annotations": [')
            self._spool.seek(0)
            for number, line in enumerate(self._spool):
                file.write(("," if number else "") + "\n" + line.rstrip("\n"))
            file.write("\n]}\n")

    def close(self) -> None:
        """See :class:`Export`."""
        self._spool.close()


class RoiExport:
    """A zip of ROIs for ImageJ: an outline for each connected part of an object, holes filled.

    An outline goes around the centres of the object's pixels, so that ImageJ makes the same pixels
    of it. It is named by the object's id, with the number of the part if there are several.
    """

    def __init__(self) -> None:
        self._spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._zip = zipfile.ZipFile(self._spool, "w", zipfile.ZIP_DEFLATED)

    def add(
        self, place: dict[str, int], labels: NDArray[np.integer], first: int, masks: MaskSet
    ) -> None:
        """See :class:`Export`."""
        at = {axis.lower(): n for axis, n in place.items() if axis in "TZ"}
        for number, where in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
            if where is None:
                continue
            parts, count = ndimage.label(labels[where] == number, EIGHT_NEIGHBOURS)
            for part in range(1, count + 1):
                origin = np.array([where[0].start, where[1].start])
                outline = origin + _outline(parts == part)
                name = f"{number + first - 1:06d}" + (f"-{part}" if count > 1 else "")
                # In ImageJ a pixel's centre is half a pixel from its corner, where 0 is.
                roi = ImagejRoi.frompoints(outline[:, ::-1] + 0.5, name=name, **at)
                entry = zipfile.ZipInfo(f"{name}.roi", _NO_TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                self._zip.writestr(entry, roi.tobytes())

    def save(self, path: Path, name: str) -> None:
        """See :class:`Export`."""
        self._zip.close()
        self._spool.seek(0)
        with path.open("wb") as file:
            while chunk := self._spool.read(1 << 20):
                file.write(chunk)

    def close(self) -> None:
        """See :class:`Export`."""
        self._zip.close()
        self._spool.close()


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N, 2) row and column of the outer border of one connected mask, halfway between pixels."""
    lines = find_contours(np.pad(mask, 1).astype(np.float64), 0.5, fully_connected="high")
    longest: NDArray[np.float64] = max(lines, key=lambda line: np.ptp(line, axis=0).sum())
    return longest[:-1] - 1


EXPORTS: dict[str, tuple[str, type[CocoExport] | type[RoiExport]]] = {
    "coco": ("_coco.json", CocoExport),
    "rois": ("_rois.zip", RoiExport),
}
"""Ending of the file, and who writes it."""
