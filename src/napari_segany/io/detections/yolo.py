"""Boxes and polygons of YOLO's text files."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.detections.placement import box_of_size
from napari_segany.io.detections.text_table import to_number
from napari_segany.io.detections.types import (
    ParsedTable,
    PlanePosition,
    RowError,
    TableEntry,
    TableImage,
    TableOptions,
)

LEAST = 5
"""Least numbers on a line: class, centre and size."""


def matches(text: str) -> bool:
    """Return True if the first line is one of YOLO's: numbers separated by spaces, no header."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return (
        bool(lines) and len(lines[0]) >= LEAST and all(to_number(n) is not None for n in lines[0])
    )


def read(path: Path, text: str, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    lines = [(n, line.split()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    entries = [
        TableEntry(row, f"row {row} (line {n})", "", partial(_make, words, image.shape))
        for row, (n, words) in enumerate(lines, start=1)
    ]
    values = [to_number(word) for _, words in lines for word in words[1:5]]
    if values and all(value is not None and value > 1 for value in values):
        raise InputError(
            f"{path} holds numbers above 1 only, so they are no fractions of the image as YOLO "
            "writes them. Save it as CSV, with a header such as x_center,y_center,width,height."
        )
    return ParsedTable(
        ("YOLO: boxes, and boxes around polygons, as fractions of the image",), entries
    )


def _make(
    words: Sequence[str], shape: tuple[int, int]
) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
    height, width = shape
    numbers = []
    for word in words[1:]:
        number = to_number(word)
        if number is None:
            raise RowError(f"{word[:20]!r} is no number")
        numbers.append(number)
    if len(numbers) < 4 or (len(numbers) > 5 and len(numbers) % 2):
        raise RowError(f"{len(numbers)} numbers behind the class are neither a box nor a polygon")
    if len(numbers) >= 6:
        # A polygon; a box has four numbers, and maybe a score.
        xs, ys = numbers[0::2], numbers[1::2]
        x, y, w, h = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    else:
        x, y, w, h = numbers[:4]
        x, y = x - w / 2, y - h / 2
    if max(numbers[:4]) > 2:
        raise RowError(f"{max(numbers[:4]):g} is no fraction of the image")
    return [(box_of_size(y * height, x * width, h * height, w * width), {})]
