"""Labels layers as files: the label image, and a table with measurements of its objects."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.measure import Columns, measure_plane
from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize
from napari_segany.plugin.layers.reader_writer import (
    PlacedLabels,
    feature_columns,
    may_replace,
    table_of,
)


def save_measured(
    data: Any,
    settings: dict[str, Any],
    path: str | Path,
    image: ImageSource | None = None,
    channels: Sequence[int] = (0,),
) -> list[Path]:
    """Write labels with their axes and pixel size, and a table with a row for each object.

    Parameters
    ----------
    data : array
        The labels, (Y, X) or a stack of such planes.
    settings : dict
        Settings of their layer, as napari gives them to a writer.
    path : str or Path
        Ends in ``.ome.tif`` or ``.ome.zarr``.
    image : ImageSource, optional
        Image of the shape of the labels, whose intensities are measured.
    channels : sequence of int
        Numbers of its channels, by which columns are named.

    Returns
    -------
    list of Path
        Label image and table. The table has the columns of ``napari-segany segment`` and the
        layer's features. An object that lies in several planes has a row for each of them.

    Raises
    ------
    InputError
        If image and labels differ in shape, the name cannot be used, or the table would replace
        one with other columns. Nothing is written then.
    """
    placed = PlacedLabels.of(data, settings)
    labels, shape = placed.data, tuple(placed.data.shape)
    if image is not None and tuple(image.shape) != shape:
        raise InputError(f"The labels have the shape {shape}, the image has {tuple(image.shape)}.")
    columns = measure_stack(labels, placed.known_axes, placed.pixel_size, image, channels)
    columns = _with_features(columns, feature_columns(placed.features))
    table = table_of(Path(path))
    if not may_replace(table, columns):
        raise InputError(
            f"{table.name} is there already with other columns, which would be lost. Choose "
            "another name."
        )
    return placed.save(path, columns)


def measure_stack(
    labels: Any,
    axes: str,
    pixel_size: PixelSize,
    image: ImageSource | None = None,
    channels: Sequence[int] = (0,),
) -> Columns:
    """Measure the objects of all planes; see :func:`napari_segany.core.measure.measure_plane`.

    Parameters
    ----------
    labels : array
        (Y, X) or a stack of such planes, which are read one by one; values below 1 are no objects.
    axes : str
        A letter for each axis.
    pixel_size : mapping
        Size and unit of a step along some of them.
    image : ImageSource, optional
        Image of the same shape; without it no intensity is measured.
    channels : sequence of int
        Numbers of its channels, by which columns are named.

    Returns
    -------
    dict of str to ndarray
        One entry for each object and plane in each column. Stacks have the number of the plane
        and its index along each axis, too.
    """
    parts = list(_measured_planes(labels, axes, pixel_size, image, channels))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measured_planes(
    labels: Any,
    axes: str,
    pixel_size: PixelSize,
    image: ImageSource | None,
    channels: Sequence[int],
) -> Iterator[Columns]:
    for number, index in enumerate(np.ndindex(labels.shape[:-2])):
        pixels: NDArray[np.integer] = np.maximum(np.asarray(labels[index]), 0)
        if number and not pixels.any():
            continue
        plane: Plane = (*index, None, None)
        seen = np.zeros_like(pixels) if image is None else image.read(plane)
        columns = measure_plane(pixels, seen, pixel_size, channels)
        if image is None:
            columns = {n: v for n, v in columns.items() if not n.startswith("intensity")}
        place = {"plane": number, **dict(zip(axes, index, strict=False))} if index else {}
        count = len(columns["label"])
        yield {name: np.full(count, value, np.int64) for name, value in place.items()} | columns


def _with_features(measured: Columns, known: Columns) -> Columns:
    """Return measurements with the other features of the same labels, empty where unknown."""
    order = np.argsort(known["label"], kind="stable")
    at = np.searchsorted(known["label"], measured["label"], sorter=order)
    at = order[np.minimum(at, len(order) - 1)] if len(order) else np.zeros_like(at)
    columns = dict(measured)
    for name, values in known.items():
        if name in measured or not len(order):
            continue
        there = known["label"][at] == measured["label"]
        nothing = np.nan if values.dtype.kind in "biuf" else ""
        columns[name] = np.where(there, values[at], np.asarray(nothing, dtype=object))
    return {"label": columns.pop("label"), **columns}
