"""Export to GeoJSON as QuPath reads it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from napari_segany.io.exports.pixel_polygons import Ring, polygons_of
from napari_segany.io.exports.plane import IN_MEMORY, ExportedImage, ResultPlane


class GeoJsonExport:
    """Collection of features: a detection with polygons, name, class and measurements an object.

    Coordinates are in pixels of the image, x before y, from its corner. Polygons go along the
    edges of the pixels in the labels, with holes; an object in several parts has several.
    """

    def __init__(self, about: ExportedImage) -> None:
        self._is_single = about.layout.plane_count == 1
        self._spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            max_size=IN_MEMORY, mode="w+", encoding="utf-8"
        )

    def add(self, plane: ResultPlane) -> None:
        """See :class:`Export`."""
        at = {} if self._is_single else {"c": -1, "z": 0, "t": 0}
        at |= {axis.lower(): n for axis, n in plane.place.items() if axis in "TZ" and at}
        found = plane.masks.classes
        for number, where in enumerate(
            ndimage.find_objects(plane.labels.astype(np.int32)), start=1
        ):
            if where is None:
                continue
            mask = plane.labels[where] == number
            origin = where[0].start + plane.origin[0], where[1].start + plane.origin[1]
            properties: dict[str, Any] = {
                "objectType": "detection",
                "name": str(plane.id_of(number)),
            }
            if found is not None:
                properties["classification"] = {"name": found.names[found.index[number - 1]]}
            score = float(plane.masks.predicted_iou[number - 1])
            measured = {"score": round(score, 6), "area": int(np.count_nonzero(mask))}
            # A score that is not known has no number in JSON.
            kept = {name: value for name, value in measured.items() if np.isfinite(value)}
            geometry = _geometry(mask, origin) | ({"plane": at} if at else {})
            feature = {"type": "Feature", "geometry": geometry}
            feature["properties"] = properties | {"measurements": kept}
            self._spool.write(json.dumps(feature) + "\n")

    def save(self, path: Path) -> None:
        """See :class:`Export`."""
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write('{"type": "FeatureCollection", "features": [')
            self._spool.seek(0)
            for number, line in enumerate(self._spool):
                file.write(("," if number else "") + "\n" + line.rstrip("\n"))
            file.write("\n]}\n")

    def close(self) -> None:
        """See :class:`Export`."""
        self._spool.close()


def _geometry(mask: Any, origin: tuple[int, int]) -> dict[str, Any]:
    polygons = [
        [_closed(ring, origin) for ring in (outer, *holes)] for outer, holes in polygons_of(mask)
    ]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _closed(ring: Ring, origin: tuple[int, int]) -> list[list[int]]:
    """Return the corners of a ring as x and y, the first one again at the end."""
    return [[col + origin[1], row + origin[0]] for row, col in (*ring, ring[0])]
