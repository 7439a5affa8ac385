"""Export to COCO's instance JSON."""

import json
import tempfile
from pathlib import Path
from typing import Any

from napari_segany.io.coco import image_entry
from napari_segany.io.exports.plane import IN_MEMORY, ExportedImage, ResultPlane


class CocoExport:
    """COCO's instance format: an image per plane, masks as run lengths, overlaps kept.

    Ids of annotations are those in the label image; see :mod:`napari_segany.io.coco` for the names
    of planes. Objects that were found by text have a category for each phrase.
    """

    def __init__(self, about: ExportedImage) -> None:
        self._file, self._is_single = about.file, about.layout.plane_count == 1
        self._spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            max_size=IN_MEMORY, mode="w+", encoding="utf-8"
        )
        self._images: list[dict[str, Any]] = []
        self._classes: tuple[str, ...] = ("object",)

    def add(self, plane: ResultPlane) -> None:
        """See :class:`Export`."""
        place = dict(plane.place)
        # Of a large plane, group after group of its objects comes.
        if not self._images or self._images[-1]["plane"] != place or plane.ids is None:
            shape = plane.masks.shape
            entry = image_entry(len(self._images) + 1, self._file, place, shape, self._is_single)
            self._images.append(entry)
        number = len(self._images)
        if plane.masks.classes is not None:
            self._classes = plane.masks.classes.names
        for annotation in plane.masks.to_coco(image_id=number):
            if not annotation["area"]:
                # A row of a table that has no object.
                continue
            annotation["id"] = plane.id_of(annotation["id"])
            self._spool.write(json.dumps(annotation) + "\n")

    def save(self, path: Path) -> None:
        """See :class:`Export`."""
        categories = [{"id": k, "name": name} for k, name in enumerate(self._classes, start=1)]
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write('{"images": ' + json.dumps(self._images))
            file.write(', "categories": ' + json.dumps(categories) + ', "annotations": [')
            self._spool.seek(0)
            for number, line in enumerate(self._spool):
                file.write(("," if number else "") + "\n" + line.rstrip("\n"))
            file.write("\n]}\n")

    def close(self) -> None:
        """See :class:`Export`."""
        self._spool.close()
