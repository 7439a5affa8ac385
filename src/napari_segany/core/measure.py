"""Measurements of labelled objects, in pixels and, where a size is known, in physical units."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import regionprops_table

from napari_segany.core.units import convert, larger
from napari_segany.errors import InputError

Columns = dict[str, NDArray[np.generic]]

_SHAPE = {
    "label": "label",
    "area": "area",
    "centroid-0": "centroid_row",
    "centroid-1": "centroid_col",
    "bbox-0": "row_min",
    "bbox-1": "col_min",
    "bbox-2": "row_max",
    "bbox-3": "col_max",
    "axis_major_length": "major_axis_length",
    "axis_minor_length": "minor_axis_length",
    "eccentricity": "eccentricity",
    "orientation": "orientation",
    "perimeter": "perimeter",
    "solidity": "solidity",
}
"""Names of scikit-image's properties and of the columns that hold them."""


def measure_plane(
    labels: NDArray[np.integer],
    image: ArrayLike,
    pixel_size: Mapping[str, tuple[float, str]] | None = None,
    channels: Sequence[int] = (0,),
) -> Columns:
    """Measure every object of one plane.

    Parameters
    ----------
    labels : ndarray
        (Y, X), 0 for background.
    image : array_like
        (Y, X) or (Y, X, C) real numbers; pixels that are not finite are left out.
    pixel_size : mapping, optional
        Size and unit of a pixel along "Y" and "X"; adds an area in that unit, squared. Of two
        units it is the larger one.
    channels : sequence of int
        Numbers that name the intensity columns of a (Y, X, C) image; 0, 1, 2 by default.

    Returns
    -------
    dict of str to ndarray
        One entry an object in each column, in the order of the labels. Lengths are in pixels,
        ``orientation`` in radians from the row axis, boxes half-open, and ``solidity`` is area
        over area of the convex hull; see :func:`skimage.measure.regionprops`.

    Raises
    ------
    InputError
        If the shapes of ``labels`` and ``image`` differ.

    Examples
    --------
    >>> labels = np.zeros((6, 8), int)
    >>> labels[1:4, 2:7] = 1
    >>> columns = measure_plane(labels, labels * 10, {"Y": (0.5, "um"), "X": (0.5, "um")})
    >>> columns["area"].tolist(), columns["area_um2"].tolist(), columns["intensity_mean"].tolist()
    ([15], [3.75], [10.0])
    """
    pixels = np.asarray(image)
    if labels.ndim != 2 or pixels.shape[:2] != labels.shape or pixels.ndim not in (2, 3):
        raise InputError(
            f"Labels of shape {labels.shape} do not fit an image of shape {pixels.shape}."
        )
    names = tuple(dict.fromkeys(name.rpartition("-")[0] or name for name in _SHAPE))
    table = regionprops_table(labels, properties=names)
    columns: Columns = {ours: np.asarray(table[theirs]) for theirs, ours in _SHAPE.items()}
    columns["area"] = columns["area"].astype(np.int64)
    columns |= _physical_area(columns["area"], pixel_size or {})
    if pixels.ndim == 2:
        return columns | _intensities(labels, columns, pixels, "")
    # Of two channels the third colour is empty, and there is nothing to measure in it.
    numbers = channels if len(channels) > 1 else range(pixels.shape[2])
    for i, number in enumerate(numbers):
        columns |= _intensities(labels, columns, pixels[..., i], f"_{number}")
    return columns


def place_columns(number: int, axes: Sequence[str], index: Sequence[int], count: int) -> Columns:
    """Return where a plane is as columns: its number, and its index along each axis.

    Parameters
    ----------
    number : int
        Number of the plane in the stack.
    axes, index : sequence
        Letters of the axes that count planes, and the index along them; none for one plane, which
        has no such columns.
    count : int
        Entries of each column.
    """
    if not index:
        return {}
    place = {"plane": number, **dict(zip(axes, index, strict=True))}
    return {name: np.full(count, value, np.int64) for name, value in place.items()}


def spread(columns: Columns, count: int) -> Columns:
    """Return the same columns with an entry for each label from 1 to ``count``.

    Labels without a pixel have an area of 0, and nothing else is known of them.
    """
    at = np.asarray(columns["label"], np.intp) - 1
    out: Columns = {"label": np.arange(1, count + 1)}
    for name, values in columns.items():
        if name.startswith("area"):
            out[name] = np.zeros(count, values.dtype)
        elif name != "label":
            out[name] = np.full(count, np.nan)
        if name != "label":
            out[name][at] = values
    return out


def _physical_area(
    area: NDArray[np.generic], pixel_size: Mapping[str, tuple[float, str]]
) -> Columns:
    if not {"Y", "X"} <= set(pixel_size):
        return {}
    (height, unit), (width, other) = pixel_size["Y"], pixel_size["X"]
    shared = larger(unit, other)
    sides = convert(height, unit, shared), convert(width, other, shared)
    if sides[0] is None or sides[1] is None:
        return {}
    return {f"area_{shared}2": area.astype(np.float64) * sides[0] * sides[1]}


def _intensities(
    labels: NDArray[np.integer], columns: Columns, channel: NDArray[np.generic], suffix: str
) -> Columns:
    """Return mean, least and greatest intensity of each object, NaN where none is finite."""
    sides = [columns[name].tolist() for name in ("row_min", "row_max", "col_min", "col_max")]
    rows = []
    # Object by object within its box, so that the plane is never copied.
    for label, a, c, b, d in zip(columns["label"].tolist(), *sides, strict=True):
        used = labels[a:c, b:d] == label
        values = channel[a:c, b:d][used]
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        rows.append((_mean(values), values.min(), values.max()) if len(values) else ())
    kind = np.dtype(np.uint8) if channel.dtype == bool else channel.dtype
    whole = all(rows)
    out: Columns = {}
    for i, name in enumerate(("mean", "min", "max")):
        found = [row[i] if row else np.nan for row in rows]
        out[f"intensity_{name}{suffix}"] = np.array(
            found, np.float64 if name == "mean" or not whole else kind.newbyteorder("=")
        )
    return out


def _mean(values: NDArray[np.generic]) -> float:
    if values.dtype.kind != "f" and values.dtype.itemsize <= 4:
        # Sums of such numbers are exact in any order.
        return float(values.sum(dtype=np.float64)) / len(values)
    return float(np.add.reduceat(values.astype(np.float64), [0])[0]) / len(values)
