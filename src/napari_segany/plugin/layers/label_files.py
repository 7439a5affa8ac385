"""Labels layers as files: the label image, and tables with measurements of its objects."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.measure import Columns, measure_plane, place_columns
from napari_segany.core.stored_arrays import from_stored, to_stored
from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize
from napari_segany.linking.object_table import NumberedPlane, measure_objects
from napari_segany.plugin.layers.reader_writer import (
    PlacedLabels,
    feature_columns,
    may_replace,
    planes_table_of,
    table_of,
    write_table,
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
        layer's features. If an object lies in several planes they are the columns of
        ``segment --link z``, and a second table has a row for each object and plane.

    Raises
    ------
    InputError
        If image and labels differ in shape, the name cannot be used, or a table would replace
        one with other columns. Nothing is written then.
    """
    placed = PlacedLabels.of(data, settings)
    labels, shape = placed.data, tuple(placed.data.shape)
    if image is not None and tuple(image.shape) != shape:
        raise InputError(f"The labels have the shape {shape}, the image has {tuple(image.shape)}.")
    labels = CopiedPlanes(labels)
    stack = labels, placed.known_axes, placed.pixel_size, image, channels
    by_plane = measure_stack(*stack)
    through = len(np.unique(by_plane["label"])) < len(by_plane["label"])
    columns = measure_volumes(by_plane, *stack) if through else by_plane
    # What a feature says of one plane is no property of an object that goes through several.
    features = feature_columns(placed.features)
    known = {n: values for n, values in features.items() if n == "label" or n not in by_plane}
    columns = _with_features(columns, known)
    tables = {table_of(Path(path)): columns}
    if through:
        by_plane = {"label": by_plane.pop("label"), **by_plane}
        tables[planes_table_of(Path(path))] = by_plane
    for table, new in tables.items():
        if not may_replace(table, new):
            raise InputError(
                f"{table.name} is there already with other columns, which would be lost. Choose "
                "another name."
            )
    written = replace(placed, data=labels).save(path, columns)
    if through:
        planes = planes_table_of(written[0])
        write_table(by_plane, planes)
        written.append(planes)
    return written


class CopiedPlanes:
    """The planes of labels as they were when they were read, compressed.

    People go on painting while labels are saved. The file and its tables are made from one copy of
    each plane, so that they agree.

    Parameters
    ----------
    labels : array
        (..., Y, X), read plane by plane.
    """

    def __init__(self, labels: Any) -> None:
        self.shape, self.dtype = tuple(labels.shape), labels.dtype
        self._planes = {
            index: to_stored({"labels": np.asarray(labels[index])})
            for index in np.ndindex(self.shape[:-2])
        }

    def __getitem__(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Return a plane by its index along the leading axes."""
        with from_stored(self._planes[index]) as arrays:
            pixels: NDArray[Any] = arrays["labels"]
        return pixels


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


def measure_volumes(
    by_plane: Columns,
    labels: Any,
    axes: str,
    pixel_size: PixelSize,
    image: ImageSource | None = None,
    channels: Sequence[int] = (0,),
) -> Columns:
    """Measure objects that go through planes, along the last axis of planes.

    Parameters
    ----------
    by_plane : dict of str to ndarray
        The objects of all planes, from :func:`measure_stack`.
    labels, axes, pixel_size, image, channels
        As for that.

    Returns
    -------
    dict of str to ndarray
        One entry for each object and index along the axes before in each column: these indices,
        ``first_plane``, ``last_plane``, and as in
        :meth:`napari_segany.linking.object_table.ObjectMeasurer.columns`.
    """
    along, others = axes[len(axes) - 3], axes[: len(axes) - 3]
    parts = []
    for place in np.ndindex(labels.shape[:-3]):
        here = np.ones(len(by_plane["label"]), bool)
        for axis, n in zip(others, place, strict=True):
            here &= by_plane[axis] == n
        ids, at = np.unique(by_plane["label"][here], return_inverse=True)
        if not len(ids):
            continue
        planes = by_plane[along][here].astype(np.int64)
        first, last = np.full(len(ids), planes.max()), np.zeros(len(ids), np.int64)
        np.minimum.at(first, at, planes)
        np.maximum.at(last, at, planes)
        numbered = _numbered_planes(labels, place, image, np.unique(planes).tolist())
        measured = measure_objects(ids, numbered, pixel_size, along, channels)
        there = {axis: np.full(len(ids), n) for axis, n in zip(others, place, strict=True)}
        known = {"label": ids, **there, "first_plane": first, "last_plane": last}
        parts.append(known | measured)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _numbered_planes(
    labels: Any, place: tuple[int, ...], image: ImageSource | None, numbers: Sequence[int]
) -> Iterator[NumberedPlane]:
    for number in numbers:
        plane: Plane = (*place, number, None, None)
        pixels = np.asarray(labels[(*place, number)])
        yield number, pixels, None if image is None else image.read(plane)


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
        yield place_columns(number, axes[:-2], index, len(columns["label"])) | columns


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
