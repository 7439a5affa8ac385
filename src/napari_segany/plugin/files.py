"""What napari opens and saves through this plugin: labels with axes, pixel size and scores."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_segany.core.labels import whole_numbers
from napari_segany.core.planes import KNOWN_AXES
from napari_segany.io.labels_file import image_name, save_labels
from napari_segany.io.pixel_size import from_names
from napari_segany.io.read import open_image
from napari_segany.io.tiff_pages import TiffPages
from napari_segany.plugin.results import METADATA

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Who opens a label image that this package wrote."""
    paths = [path] if isinstance(path, str) else path
    return read if all(Path(p).exists() for p in paths) else None


def read(path: str | list[str]) -> list[LayerData]:
    """Labels layers with the scale, units and axis labels of the files.

    The table that lies beside a file becomes the layer's features, the recipe its metadata.
    """
    return [_read(Path(p)) for p in ([path] if isinstance(path, str) else path)]


def _read(path: Path) -> LayerData:
    with open_image(path, stored=True) as image:
        data, axes, sizes = np.asarray(image.data), image.axes, image.pixel_size
    settings: dict[str, Any] = {
        "name": path.name.split(".")[0],
        "scale": tuple(sizes[a][0] if a in sizes else 1.0 for a in axes),
        "units": tuple(sizes[a][1] if a in sizes else "pixel" for a in axes),
        "axis_labels": tuple(axes.lower()),
    }
    table = path.with_name(f"{image_name(path)}_table.csv")
    if table.is_file():
        settings["features"] = _features(table)
    recipe = path.with_name(f"{image_name(path)}_recipe.json")
    if recipe.is_file():
        settings["metadata"] = {METADATA: {"recipe": recipe.read_text(encoding="utf-8")}}
    data = whole_numbers(data, path.name)
    limits = np.iinfo(np.int32)
    if limits.min <= data.min(initial=0) and data.max(initial=0) <= limits.max:
        # What napari paints into quickest.
        data = data.astype(np.int32)
    return data, settings, "labels"


def read_images(path: Path) -> list[LayerData]:
    """Image layers of a file, one a channel, placed as its labels will be."""
    image = open_image(path)
    axes, sizes = image.axes, image.pixel_size
    data = image.data
    lazy = data.outlives if isinstance(data, TiffPages) else hasattr(data, "chunks")
    if not lazy:
        # The others are read as they are seen, and need no open file for it.
        data = np.asarray(data)
    image.close()
    colour = axes.endswith("S")
    kept = [axis for axis in axes if axis not in "CS"]
    settings: dict[str, Any] = {
        "scale": tuple(sizes[a][0] if a in sizes else 1.0 for a in kept),
        "units": tuple(sizes[a][1] if a in sizes else "pixel" for a in kept),
        "axis_labels": tuple(a.lower() for a in kept),
    }
    if "C" not in axes:
        return [(data, settings | {"name": image.name, "rgb": colour}, "image")]
    channel = axes.index("C")
    before = (slice(None),) * channel
    return [
        (
            data.along(channel, n) if isinstance(data, TiffPages) else data[(*before, n)],
            settings | {"name": f"{image.name} {n}", "rgb": colour, "blending": "additive"},
            "image",
        )
        for n in range(image.shape[channel])
    ]


def _features(table: Path) -> dict[str, list[Any]]:
    """Columns of a table beside labels; none if it is no such table."""
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not all((row.get("label") or "").isdecimal() for row in rows):
        return {}
    columns = {
        name: _column([row[name] or "" for row in rows])
        for name in rows[0]
        if name and name != "label"
    }
    # The column by which napari finds the row of a label.
    return {"index": [int(row["label"]) for row in rows], **columns}


def _column(cells: list[str]) -> list[Any]:
    """Cells as numbers, or as they are if they hold anything else."""
    try:
        return [float(cell) if cell else float("nan") for cell in cells]
    except ValueError:
        return list(cells)


def write_labels(path: str, data: Any, settings: dict[str, Any]) -> list[str]:
    """Save a labels layer with its axes and pixel size."""
    shape = np.shape(data)
    labels = [str(label).upper() for label in settings.get("axis_labels") or ()]
    named = len(labels) == len(shape) and labels[-2:] == ["Y", "X"]
    named = named and all(len(a) == 1 and a in KNOWN_AXES for a in labels)
    named = named and len(set(labels)) == len(labels)
    axes = "".join(labels) if named else None
    known = axes or "TZYX"[4 - len(shape) :]
    steps = dict(zip(known, map(float, settings.get("scale") or ()), strict=False))
    units = dict(zip(known, map(str, settings.get("units") or ()), strict=False))
    return [str(save_labels(data, path, axes, from_names(steps, units)))]
