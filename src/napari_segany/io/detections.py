"""Boxes and points that other tools found, as prompts: CSV tables, COCO JSON, YOLO text."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError

BOX_COLUMNS: tuple[tuple[str, str, str, str], ...] = (
    ("row_min", "col_min", "row_max", "col_max"),
    ("ymin", "xmin", "ymax", "xmax"),
    ("y_min", "x_min", "y_max", "x_max"),
    ("y1", "x1", "y2", "x2"),
    ("bbox-0", "bbox-1", "bbox-2", "bbox-3"),
)
"""Names of a box's corners: smallest row and column, largest row and column."""

SIZED_COLUMNS: tuple[tuple[str, str, str, str], ...] = (
    ("y", "x", "height", "width"),
    ("y", "x", "h", "w"),
)
"""Names of a box's smallest row and column, its height and width."""

POINT_COLUMNS: tuple[tuple[str, str], ...] = (
    ("row", "col"),
    ("y", "x"),
    ("centroid-0", "centroid-1"),
    ("axis-0", "axis-1"),
)
"""Names of a point's row and column."""

PLANE_COLUMNS = ("plane", "z", "t", "frame", "slice")
HALF_OPEN = "bbox-0"
"""Boxes of scikit-image's tables end after their last pixel."""


@dataclass
class Detection:
    """One object to be asked for.

    Attributes
    ----------
    points : list
        Row and column of each point.
    signs : list of int
        1 for points on the object, 0 for points off it.
    box : list of float or None
        row_min, col_min, row_max, col_max through the centres of the outermost pixels.
    plane : int or None
        Index of the plane, None if the file does not say.
    """

    points: list[list[float]] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)
    box: list[float] | None = None
    plane: int | None = None

    def prompt(self) -> Prompt:
        """What the model is asked with."""
        return Prompt(self.points or None, self.signs or None, self.box)


def read_detections(
    path: str | Path, shape: tuple[int, int], image_name: str | None = None
) -> list[Detection]:
    """Read boxes or points of one image.

    Parameters
    ----------
    path : str or Path
        ``.csv`` or ``.tsv`` with a header; ``.json`` in COCO's format (a dataset or a list of
        results); ``.txt`` in YOLO's: class, and centre and size, or a polygon,
        as fractions of the image.
    shape : tuple of int
        (H, W) of the plane.
    image_name : str, optional
        Which image of a COCO dataset is meant; needed if there are several.

    Raises
    ------
    InputError
        If the file cannot be read or says nothing that is understood.
    """
    path = Path(path)
    readers = {".csv": _read_table, ".tsv": _read_table, ".json": _read_coco, ".txt": _read_yolo}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path} is neither .csv, .tsv, .json (COCO) nor .txt (YOLO).")
    try:
        found = readers[path.suffix.lower()](path, shape, image_name)
        for each in found:
            each.prompt()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise InputError(f"{path} is not understood: {error}.") from error
    if not found:
        raise InputError(f"{path} holds no boxes and no points.")
    return found


def _read_table(path: Path, shape: tuple[int, int], image_name: str | None) -> list[Detection]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        rows = [
            {str(name).strip().lower(): (value or "").strip() for name, value in row.items()}
            for row in csv.DictReader(file, delimiter=delimiter)
        ]
    if not rows:
        return []
    names = set(rows[0])
    for columns in BOX_COLUMNS:
        if names.issuperset(columns):
            less = 1.0 if columns[0] == HALF_OPEN else 0.0
            return [_boxed(_numbers(row, columns), less, _plane(row)) for row in rows]
    for columns in SIZED_COLUMNS:
        if names.issuperset(columns):
            return [_sized(_numbers(row, columns), _plane(row)) for row in rows]
    if "axis-2" in names:
        # Points of a stack, as napari saves them.
        rows = [{**row, "plane": row["axis-0"], "row": row["axis-1"], "col": row["axis-2"]}
                for row in rows]  # fmt: skip
        names.update(("row", "col"))
    for pair in POINT_COLUMNS:
        if names.issuperset(pair):
            return _grouped(rows, pair)
    known = "; ".join(", ".join(each) for each in (*BOX_COLUMNS, *SIZED_COLUMNS, *POINT_COLUMNS))
    raise InputError(f"{path} has columns {', '.join(sorted(names))}; known are: {known}.")


def _grouped(rows: Sequence[Mapping[str, str]], pair: tuple[str, str]) -> list[Detection]:
    """Points, those with the same value of a column "object" together."""
    found: dict[Any, Detection] = {}
    for number, row in enumerate(rows):
        plane = _plane(row)
        key = (plane, row["object"]) if row.get("object") else number
        each = found.setdefault(key, Detection(plane=plane))
        each.points.append(_numbers(row, pair))
        sign = row.get("sign", row.get("label", "1")).lower()
        each.signs.append(int(sign not in ("negative", "-", "0", "0.0", "false")))
    return list(found.values())


def _numbers(row: Mapping[str, str], columns: Sequence[str]) -> list[float]:
    return [float(row[name]) for name in columns]


def _plane(row: Mapping[str, str]) -> int | None:
    given = next((row[name] for name in PLANE_COLUMNS if row.get(name)), None)
    return None if given is None else round(float(given))


def _boxed(corners: Sequence[float], less: float, plane: int | None) -> Detection:
    """A box; ``less`` is how far beyond the centre of its last pixel it ends."""
    a, b, c, d = corners
    if less:
        c, d = max(c - less, a + 0.5), max(d - less, b + 0.5)
    return Detection(box=[a, b, c, d], plane=plane)


def _sized(edges: Sequence[float], plane: int | None = None) -> Detection:
    """A box of row, column, height and width, which runs along the edges of pixels."""
    row, col, height, width = edges
    return _boxed([row, col, row + height, col + width], 1.0, plane)


def _read_coco(path: Path, shape: tuple[int, int], image_name: str | None) -> list[Detection]:
    content = json.loads(path.read_text(encoding="utf-8"))
    images: dict[Any, str | None]
    if isinstance(content, list):
        annotations, images = content, {each["image_id"]: None for each in content}
    else:
        annotations = content["annotations"]
        images = {each["id"]: Path(str(each.get("file_name"))).name for each in content["images"]}
    chosen = [n for n, name in images.items() if image_name is None or name == image_name]
    if len(images) > 1 and len(chosen) != 1:
        raise InputError(f"{path} is about {len(images)} images, none of which is {image_name}.")
    only = chosen[0] if chosen else next(iter(images), None)
    found = []
    for each in annotations:
        if each["image_id"] == only and len(each.get("bbox") or ()) == 4:
            x, y, width, height = (float(n) for n in each["bbox"])
            found.append(_sized([y, x, height, width]))
    return found


def _read_yolo(path: Path, shape: tuple[int, int], image_name: str | None) -> list[Detection]:
    height, width = shape
    found = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line.strip():
            continue
        numbers = [float(n) for n in line.split()[1:]]
        if len(numbers) >= 6:
            # A polygon; a box has four numbers, and maybe a score.
            xs, ys = numbers[0::2], numbers[1::2]
            x, y, w, h = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
        else:
            x, y, w, h = numbers[:4]
            x, y = x - w / 2, y - h / 2
        found.append(_sized([y * height, x * width, h * height, w * width]))
    return found
