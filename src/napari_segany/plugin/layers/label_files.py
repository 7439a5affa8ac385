"""Labels layers as files: the label image, and a table with measurements of its objects."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.measure import Columns, measure_plane, place_columns
from napari_segany.errors import InputError
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
    planes = _MeasuredPlanes(labels, placed, image, channels)
    table = table_of(Path(path))
    if not may_replace(table, planes.names()):
        raise InputError(
            f"{table.name} is there already with other columns, which would be lost. Choose "
            "another name."
        )
    return replace(placed, data=planes).save(path, planes.columns)


class _MeasuredPlanes:
    """Labels that are read plane by plane, once, and measured as they are read.

    People go on painting while labels are saved. File and table are made from one copy of each
    plane, so that they agree.

    Parameters
    ----------
    labels : array
        (Y, X) or a stack of such planes; values below 1 are no objects.
    placed : PlacedLabels
        Their axes, pixel size and features.
    image : ImageSource or None
        Image of the same shape; without it no intensity is measured.
    channels : sequence of int
        Numbers of its channels, by which columns are named.
    """

    def __init__(
        self, labels: Any, placed: PlacedLabels, image: ImageSource | None, channels: Sequence[int]
    ) -> None:
        self.shape, self.dtype = tuple(labels.shape), labels.dtype
        self._labels, self._placed = labels, placed
        self._image, self._channels = image, channels
        self._measured: list[Columns] = []

    def __getitem__(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Return a copy of a plane, and keep its measurements."""
        pixels: NDArray[Any] = np.array(self._labels[index])
        objects = np.maximum(pixels, 0)
        if objects.any():
            self._measured.append(self._measure(objects, index))
        return pixels

    def _measure(self, objects: NDArray[Any], index: tuple[int, ...]) -> Columns:
        plane: Plane = (*index, None, None)
        seen = np.zeros_like(objects) if self._image is None else self._image.read(plane)
        columns = measure_plane(objects, seen, self._placed.pixel_size, self._channels)
        if self._image is None:
            columns = {n: v for n, v in columns.items() if not n.startswith("intensity")}
        number = int(np.ravel_multi_index(index, self.shape[:-2])) if index else 0
        axes = self._placed.known_axes[:-2]
        return place_columns(number, axes, index, len(columns["label"])) | columns

    def columns(self) -> Columns:
        """Return the measurements of the planes that were read, with the layer's features.

        There is one entry for each object and plane in each column. Stacks have the number of the
        plane and its index along each axis, too.
        """
        parts = self._measured or [self._none()]
        together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return _with_features(together, feature_columns(self._placed.features))

    def names(self) -> list[str]:
        """Return the names of the columns, before any plane is read."""
        return list(_with_features(self._none(), feature_columns(self._placed.features)))

    def _none(self) -> Columns:
        """Return the columns without an object."""
        first = (0,) * len(self.shape[:-2])
        return self._measure(np.maximum(np.zeros(self.shape[-2:], self.dtype), 0), first)


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
