"""Tables of boxes and points in the dialects of other programs, with something wrong in them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

HEADERS = (
    "row_min,col_min,row_max,col_max",
    "ymin,xmin,ymax,xmax,label",
    "y,x,height,width",
    "label,bbox-0,bbox-1,bbox-2,bbox-3",
    "axis-0,axis-1",
    "index,shape-type,vertex-index,axis-0,axis-1",
    " ,Area,X,Y,BX,BY,Width,Height,Slice",
    "centroid-0,centroid-1,label",
    "LABEL,ID,POSITION_X,POSITION_Y,POSITION_T,FRAME,RADIUS",
    "Image,Centroid X px,Centroid Y px",
    "ImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y",
    "object,row,col,sign,plane",
    "a,b,c",
    "",
)
CELLS = (
    *("10", "20", "30", "-5", "1e3", "NaN", "inf", "", "1,5", "2.5", "x", "=1+1", "rectangle"),
    *("99999999999999999999", "0", "1", "negative", "\x1b[31m", "5\n6", '"', "é", "µ"),
)
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252")


def _csv(rng: np.random.Generator, path: Path) -> Path:
    header = str(rng.choice(HEADERS))
    columns = header.count(",") + 1
    delimiter = [",", ",", ";", "\t"][rng.integers(4)]
    lines = [header.replace(",", delimiter)]
    for _ in range(rng.integers(0, 5)):
        count = columns if rng.random() < 0.8 else int(rng.integers(0, 12))
        # Mostly numbers, or nothing would ever be right.
        cells = [
            str(rng.integers(0, 50)) if rng.random() < 0.8 else str(rng.choice(CELLS))
            for _ in range(count)
        ]
        lines.append(delimiter.join(cells))
    path = path.with_suffix([".csv", ".csv", ".tsv", ".txt"][rng.integers(4)])
    encoding = str(rng.choice(ENCODINGS))
    path.write_bytes("\n".join(lines).encode(encoding, "replace"))
    return path


def _json(rng: np.random.Generator, path: Path) -> Path:
    boxes = ("[1, 2, 10, 12]", "[1, 2, -3, 4]", "[]", '"x"', "null", "[1e400, 0, 1, 1]", "{}")
    image = rng.choice(['{"id": 1, "file_name": "good.tif"}', '{"id": 1}', "3", "{}"])
    number = rng.choice(["1", "2", "null", '"1"'])
    each = f'{{"image_id": {number}, "bbox": {rng.choice(boxes)}}}'
    text = rng.choice(
        [
            f'{{"images": [{image}], "annotations": [{each}]}}',
            f"[{each}]",
            '{"images": [], "annotations": []}',
            '{"images": 3}',
            "[[[[",
            "",
        ]
    )
    path = path.with_suffix(".json")
    path.write_text(str(text))
    return path


def _yolo(rng: np.random.Generator, path: Path) -> Path:
    numbers = ["0.5", "0.1", "1", "0", "-1", "2", "nan", "x", "1e9"]
    lines = [
        " ".join(str(rng.choice(numbers)) for _ in range(rng.integers(0, 9)))
        for _ in range(rng.integers(0, 4))
    ]
    path = path.with_suffix(".txt")
    path.write_text("\n".join(lines))
    return path


def _bytes(rng: np.random.Generator, path: Path) -> Path:
    path = path.with_suffix([".csv", ".tsv", ".json", ".txt", ".xlsx"][rng.integers(5)])
    path.write_bytes(rng.bytes(rng.integers(0, 200)))
    return path


KINDS: tuple[Callable[[np.random.Generator, Path], Path], ...] = (
    *(_csv, _csv, _csv, _csv, _csv, _csv, _json, _json, _yolo, _bytes),
)


def make_table(seed: int, folder: Path) -> Path:
    """Write one table, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return KINDS[seed % len(KINDS)](rng, folder / f"table{seed:03d}")
