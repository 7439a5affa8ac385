"""Reader and writer of the plugin: labels with axes, pixel size, scores and recipe."""

import csv
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
from napari.layers import Labels

from napari_segany.core.label_images import whole_numbers
from napari_segany.core.planes import KNOWN_AXES
from napari_segany.io.atomic import writing
from napari_segany.io.ome_zarr import is_zarr
from napari_segany.io.pixel_size import PixelSize, from_names
from napari_segany.io.read import open_image
from napari_segany.io.save_labels import image_name, save_labels
from napari_segany.io.table import TABLES, CsvTable
from napari_segany.io.tiff_pages import TiffPages
from napari_segany.io.tracks.geff_file import is_geff
from napari_segany.plugin.layers.metadata import METADATA
from napari_segany.plugin.layers.transforms import NEGLIGIBLE, PLACEMENT, to_world

LayerData = tuple[Any, dict[str, Any], str]

LARGE = 2**26
"""Pixels of a plane from which on labels with a pyramid are a multiscale layer."""


def get_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return the reader of label images that this package wrote; None if a path is no image."""
    paths = [path] if isinstance(path, str) else path
    return read if all(_may_be_read(Path(each)) for each in paths) else None


def _may_be_read(path: Path) -> bool:
    # napari asks for every folder, whatever its name.
    return path.is_file() or (is_zarr(path) and not is_geff(path))


def read(path: str | list[str]) -> list[LayerData]:
    """Return labels layers with the scale, units and axis labels of the files.

    The table beside a file becomes the layer's features, the recipe its metadata.
    """
    return [_read(Path(p)) for p in ([path] if isinstance(path, str) else path)]


def _read(path: Path) -> LayerData:
    image = open_image(path, stored=True)
    axes, sizes = image.axes, image.pixel_size
    lazy = is_large(image.shape) and len(image.levels) > 1
    data: Any = [as_lazy(each) for each in image.levels] if lazy else np.asarray(image.data)
    image.close()
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
    if lazy:
        return data, settings | {"multiscale": True}, "labels"
    data = whole_numbers(data, path.name)
    limits = np.iinfo(np.int32)
    if limits.min <= data.min(initial=0) and data.max(initial=0) <= limits.max:
        # napari paints into this type fastest.
        data = data.astype(np.int32)
    return data, settings, "labels"


def read_images(path: Path) -> list[LayerData]:
    """Return the image layers of a file, one per channel, placed like its labels.

    A pyramid becomes a multiscale layer, of which napari reads the level and the part in view.
    """
    image = open_image(path)
    axes, sizes = image.axes, image.pixel_size
    levels = list(image.levels)
    lazy = all(d.outlives if isinstance(d, TiffPages) else hasattr(d, "chunks") for d in levels)
    multiscale = len(levels) > 1
    if not lazy and not multiscale:
        # Lazy data is read when it is shown, and does not need the open file.
        levels = [np.asarray(levels[0])]
    image.close()
    colour = axes.endswith("S")
    kept = [axis for axis in axes if axis not in "CS"]
    settings: dict[str, Any] = {
        "scale": tuple(sizes[a][0] if a in sizes else 1.0 for a in kept),
        "units": tuple(sizes[a][1] if a in sizes else "pixel" for a in kept),
        "axis_labels": tuple(a.lower() for a in kept),
        "multiscale": multiscale,
    }

    def as_layer(found: list[Any]) -> Any:
        return [as_lazy(each) for each in found] if multiscale else found[0]

    if "C" not in axes:
        return [(as_layer(levels), settings | {"name": image.name, "rgb": colour}, "image")]
    channel = axes.index("C")
    return [
        (
            as_layer([_along(each, channel, n) for each in levels]),
            settings | {"name": f"{image.name} {n}", "rgb": colour, "blending": "additive"},
            "image",
        )
        for n in range(image.shape[channel])
    ]


def is_large(shape: Sequence[int]) -> bool:
    """Return True for an image whose labels are shown by parts: they cannot be painted then."""
    return int(np.prod(shape[-2:], dtype=np.int64)) > LARGE


def as_lazy(data: Any) -> Any:
    """Return an array that napari indexes part by part."""
    if isinstance(data, TiffPages | dask.array.Array) or not hasattr(data, "chunks"):
        return data
    return dask.array.from_array(data, data.chunks)  # type: ignore[no-untyped-call]


def _along(data: Any, axis: int, index: int) -> Any:
    """Return an array at one index along an axis; lazy ones stay lazy."""
    if isinstance(data, TiffPages):
        return data.along(axis, index)
    return as_lazy(data)[(*(slice(None),) * axis, index)]


def _features(table: Path) -> dict[str, list[Any]]:
    """Return the columns of a table beside labels, none if it is another kind of table."""
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not all((row.get("label") or "").isdecimal() for row in rows):
        return {}
    columns = {
        name: _column([row[name] or "" for row in rows])
        for name in rows[0]
        if name and name != "label"
    }
    # napari finds the row of a label by the column "index".
    return {"index": [int(row["label"]) for row in rows], **columns}


def _column(cells: list[str]) -> list[Any]:
    """Return cells as numbers, or unchanged if one of them is no number."""
    try:
        return [float(cell) if cell else float("nan") for cell in cells]
    except ValueError:
        return list(cells)


@dataclass(frozen=True)
class PlacedLabels:
    """A labels layer as a file holds it.

    Attributes
    ----------
    data : array
        The labels, of a pyramid the finest level.
    axes : str or None
        A letter for each axis; None if the layer names no axes of images.
    known_axes : str
        The same, with the usual letters where it names none.
    pixel_size : mapping
        Size and unit of a step along axes.
    left_out : tuple of str
        What a file has no place for.
    features : Any
        The layer's features.
    """

    data: Any
    axes: str | None
    known_axes: str
    pixel_size: PixelSize
    left_out: tuple[str, ...]
    features: Any

    @classmethod
    def of(cls, data: Any, settings: dict[str, Any]) -> "PlacedLabels":
        """Return the labels of a layer with some settings; pixels are not read."""
        wanted = {*PLACEMENT, "multiscale", "features"}
        given = {name: value for name, value in settings.items() if name in wanted}
        layer = Labels(data, **given)
        left_out = []
        if layer.multiscale:
            left_out.append("the coarser levels of the pyramid")
            data = layer.data[0]
        shape = tuple(np.shape(data))
        labels = [str(label).upper() for label in layer.axis_labels]
        named = len(labels) == len(shape) and labels[-2:] == ["Y", "X"]
        named = named and all(len(a) == 1 and a in KNOWN_AXES for a in labels)
        named = named and len(set(labels)) == len(labels)
        axes = "".join(labels) if named else None
        known = axes or "TZYX"[-len(shape) :]
        matrix, origin = to_world(layer)
        # Side lengths of a pixel, whatever their directions.
        steps = np.linalg.norm(matrix, axis=0)
        if not np.allclose(matrix, np.diag(steps), atol=NEGLIGIBLE * steps.max()):
            left_out.append("rotation, shear or mirroring")
        if not np.allclose(origin, 0, atol=NEGLIGIBLE * steps.max()):
            left_out.append("translation")
        last = len(known)
        sizes = dict(zip(known, steps[-last:].tolist(), strict=True))
        units = dict(zip(known, map(str, layer.units[-last:]), strict=True))
        sized = from_names(sizes, units)
        return cls(data, axes, known, sized, tuple(left_out), layer.features)

    def save(self, path: str | Path, columns: dict[str, Any]) -> list[Path]:
        """Write the labels, and a table beside them if it has more columns than "label".

        A warning names what is left out. An existing table is replaced if ``columns`` has all of
        its columns; otherwise it is kept.
        """
        left_out = list(self.left_out)
        written = [save_labels(self.data, path, self.axes, self.pixel_size)]
        table = table_of(written[0])
        if not may_replace(table, columns):
            left_out.append(f"features, because {table.name} is there already with other columns")
        elif len(columns) > 1:
            write_table(columns, table)
            written.append(table)
        if left_out:
            name = written[0].name
            warnings.warn(
                f"{name} is saved without {'; '.join(left_out)}: it has no place for that.",
                stacklevel=3,
            )
        return written


def write_labels(path: str, data: Any, settings: dict[str, Any]) -> list[str]:
    """Save a labels layer with its axes, pixel size and table of features.

    A warning names what the file cannot store: coarser levels of a pyramid, and translation,
    rotation, shear or mirroring of the layer. An existing table is replaced if the layer has all
    of its columns; otherwise it is kept.
    """
    layer = PlacedLabels.of(data, settings)
    return [str(each) for each in layer.save(path, feature_columns(layer.features))]


def table_of(labels: Path) -> Path:
    """Return the table beside a label image."""
    return labels.with_name(f"{image_name(labels)}{TABLES['csv'][0]}")


def planes_table_of(labels: Path) -> Path:
    """Return the table of the objects of each plane beside a label image."""
    return labels.with_name(f"{image_name(labels)}_planes.csv")


def feature_columns(features: Any) -> dict[str, Any]:
    """Return a layer's features as columns of the table beside its file, "label" first."""
    # In a table without that column the row's number is the label.
    index = features["index"] if "index" in features else np.arange(len(features))
    rest = {str(name): np.asarray(features[name]) for name in features if name != "index"}
    return {"label": np.asarray(index)} | rest


def may_replace(table: Path, columns: Collection[str]) -> bool:
    """Return True if there is no table, or one without other columns: nothing is lost then."""
    if not table.exists():
        return True
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        there = next(csv.reader(file), [])
    return there[:1] == ["label"] and set(there) <= set(columns)


def write_table(columns: dict[str, Any], path: Path) -> None:
    """Write columns as CSV; the file is there when it is complete."""
    table = CsvTable()
    table.add(columns)
    with writing(path) as temporary:
        table.save(temporary)
    table.close()
