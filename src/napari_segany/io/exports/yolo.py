"""Export to polygons in YOLO's text format."""

from pathlib import Path

import numpy as np

from napari_segany.io.exports.deterministic_zip import DeterministicZip
from napari_segany.io.exports.outline import outline, parts_of
from napari_segany.io.exports.plane import ExportedImage, ResultPlane


class YoloExport:
    """Zip with a text file per plane: class and polygon of each object.

    Objects that were found by text have the number of their phrase, from 0; ``classes.txt`` in the
    zip names the phrases, one a line. Without phrases every class is 0, and there is no such file.

    Coordinates are fractions of the image's width and height, x before y, measured from its corner.
    Of an object in several parts the largest is written, for the format holds one polygon a line.
    """

    def __init__(self, about: ExportedImage) -> None:
        self._name = about.name
        self._zip = DeterministicZip()
        self._classes: tuple[str, ...] = ()

    def add(self, plane: ResultPlane) -> None:
        """See :class:`Export`."""
        size = np.array(plane.labels.shape, float)
        lines = []
        found = plane.masks.classes
        if found is not None:
            self._classes = found.names
        for number, origin, parts in parts_of(plane.labels):
            largest = max(parts, key=np.count_nonzero)
            # Half a pixel more, for fractions count from the corner and not from a centre.
            border = (np.array(origin) + outline(largest) + 0.5) / size
            numbers = border[:, ::-1].clip(0, 1).ravel()
            kind = 0 if found is None else int(found.index[number - 1])
            lines.append(f"{kind} " + " ".join(f"{n:.6f}" for n in numbers) + "\n")
        self._zip.write(f"{self._name}{plane.suffix}.txt", "".join(lines).encode())

    def save(self, path: Path) -> None:
        """See :class:`Export`."""
        if self._classes:
            # A line break within a phrase would begin another class.
            names = "".join(" ".join(name.split()) + "\n" for name in self._classes)
            self._zip.write("classes.txt", names.encode())
        self._zip.save(path)

    def close(self) -> None:
        """See :class:`Export`."""
        self._zip.close()
