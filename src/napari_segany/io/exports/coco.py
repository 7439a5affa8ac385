"""COCO's JSON of instances."""

import json
import tempfile
from pathlib import Path
from typing import Any

from napari_segany.io.exports.plane import IN_MEMORY, Exported, ResultPlane


class CocoExport:
    """COCO's instance format: an image a plane, masks as run lengths, overlaps kept.

    Ids of annotations are those in the label image; ``plane`` of an image is its index along the
    leading axes.
    """

    def __init__(self, about: Exported) -> None:
        self._name = about.name
        self._spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            max_size=IN_MEMORY, mode="w+", encoding="utf-8"
        )
        self._images: list[dict[str, Any]] = []

    def add(self, plane: ResultPlane) -> None:
        """See :class:`Export`."""
        number = len(self._images) + 1
        height, width = plane.labels.shape
        self._images.append(
            {
                "id": number,
                "height": height,
                "width": width,
                "plane": dict(plane.place),
                "file_name": self._name,
            }
        )
        for annotation in plane.masks.to_coco(image_id=number):
            annotation["id"] += plane.first - 1
            self._spool.write(json.dumps(annotation) + "\n")

    def save(self, path: Path) -> None:
        """See :class:`Export`."""
        categories = [{"id": 1, "name": "object"}]
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
