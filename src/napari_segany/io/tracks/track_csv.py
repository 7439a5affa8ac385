"""Tables of tracks: the one that this package writes, and those of LapTrack and TrackMate."""

import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.measure import Columns
from napari_segany.core.units import LENGTHS, TIMES
from napari_segany.errors import InputError
from napari_segany.io.detections.text_table import Records, Sheet, read_text, to_number
from napari_segany.io.pixel_size import PixelSize, keep_known
from napari_segany.io.table import CsvTable
from napari_segany.io.tracks.assembly import TrackColumns, check_file_size, numeric_features
from napari_segany.io.tracks.formats import TrackFile
from napari_segany.linking.tracks.track_table import TrackTable

_NAMES = {
    "frame": ("frame", "t", "time_point"),
    "track": ("track", "track_id"),
    "parent": ("parent", "parent_track_id", "parent_track", "parent_id"),
    "z": ("z", "position_z"),
    "y": ("y", "position_y"),
    "x": ("x", "position_x"),
    "label": ("label",),
    "area": ("area",),
    "confidence": ("confidence",),
}
"""Names of each column, in lower case: ours first, then those of other programs."""

_UNITS = "|".join([*LENGTHS, *TIMES])
_PHYSICAL = re.compile(rf"(time|z|y|x)_({_UNITS})")
_OWN = ("track", "parent", "frame", "label", "y", "x", "area", "confidence")


def track_columns(table: TrackTable) -> Columns:
    """Return the columns of the table of tracks, one entry an object.

    ``track``, ``parent`` (0 without), ``frame``, ``label``, ``z``, ``y``, ``x`` in pixels, then
    ``time_UNIT``, ``z_UNIT``, ``y_UNIT``, ``x_UNIT`` where the size of a step is known, ``area``
    in pixels, ``confidence``, and the features. Real numbers are texts that are read back to the
    same bits.

    Parameters
    ----------
    table : TrackTable
        The tracks.

    Returns
    -------
    dict of str to ndarray
        For a table of :data:`napari_segany.io.table.TABLES`.

    Raises
    ------
    InputError
        If a feature has the name of another column.
    """
    parent = [table.parents.get(track, 0) for track in table.track.tolist()]
    columns: Columns = {
        "track": table.track,
        "parent": np.array(parent, np.int64),
        "frame": table.frame,
        "label": table.label,
    }
    for i, axis in enumerate(table.axes.lower()):
        columns[axis] = _exact(table.position[:, i])
    if "T" in table.pixel_size:
        size, unit = table.pixel_size["T"]
        columns[f"time_{unit}"] = _exact(table.frame * size)
    for i, axis in enumerate(table.axes):
        if axis in table.pixel_size:
            size, unit = table.pixel_size[axis]
            columns[f"{axis.lower()}_{unit}"] = _exact(table.position[:, i] * size)
    columns |= {"area": table.area, "confidence": _exact(table.confidence)}
    taken = {name for names in _NAMES.values() for name in names}
    numbers = numeric_features(table)
    for name, values in table.features.items():
        if name.lower() in taken or _PHYSICAL.fullmatch(name.lower()):
            raise InputError(f"A feature is called {name!r}, like another column; rename it.")
        taken.add(name.lower())
        columns[name] = _exact(numbers[name]) if name in numbers else values
    return columns


def _exact(values: NDArray[Any]) -> NDArray[np.generic]:
    """Return numbers as the shortest texts that mean them; empty where not finite."""
    texts = [repr(v + 0) if np.isfinite(v) else "" for v in values.tolist()]
    return np.array(texts, object)


def write(path: Path, table: TrackTable, _load_frame: object, _frames: int) -> None:
    """Write the table; labels of frames are not needed."""
    with closing(CsvTable()) as sheet:
        sheet.add(track_columns(table))
        sheet.save(path)


def read(path: Path) -> TrackFile:
    """Read a table of tracks.

    Needed are columns of frame, track, y and x; z, parent, label, area and confidence are read
    where they are there. A track 0 makes all tracks one higher. Positions are in pixels if
    nothing says otherwise; those of TrackMate are in its units.

    Raises
    ------
    InputError
        If it is no such table, or its rows are no tracks.
    """
    check_file_size(path)
    records = Records.of(path, read_text(path))
    headers = records.headers()
    if not headers:
        raise InputError(f"{path} holds no tracks.")
    sheet = next((s for s in map(records.sheet, headers) if _named(s, "track")), None)
    sheet = sheet or records.sheet(headers[0])
    missing = [name for name in ("frame", "track", "y", "x") if not _named(sheet, name)]
    if missing:
        raise InputError(
            f"{path} is no table of tracks: it has no column {missing[0]}; its columns are "
            f"{sheet.described}."
        )
    sheet.require([name for names in _NAMES.values() for name in names if sheet.has(name)], "table")
    body = _without_titles(sheet)
    return TrackFile(_columns(body, _pixel_size(body) or _stated_unit(sheet)).table(path), None)


def _named(sheet: Sheet, column: str) -> str:
    """Return the name of a column in a sheet, empty if it is not there."""
    return next((name for name in _NAMES[column] if sheet.has(name)), "")


def _without_titles(sheet: Sheet) -> Sheet:
    """Return the table without TrackMate's titles and units below its header."""
    is_title = [to_number(row.text(_named(sheet, "x")), sheet.decimal_comma) is None
                for row in sheet.rows[:3]]  # fmt: skip
    trackmate = sheet.has("track_id", "position_x")
    count = next((i for i, title in enumerate(is_title) if not title), len(is_title))
    return sheet.without_first(count) if trackmate and count else sheet


def _stated_unit(sheet: Sheet) -> PixelSize:
    """Return one unit a pixel if TrackMate states a unit below its header; else nothing."""
    for row in sheet.rows[:3]:
        if found := re.fullmatch(r"\((.+)\)", row.text("position_x")):
            return keep_known(dict.fromkeys("ZYX", (1.0, found[1])))
    return {}


def _columns(sheet: Sheet, pixel_size: PixelSize) -> TrackColumns:
    """Return the columns of a table."""
    # TrackMate lists spots without a track, too.
    track = _numbers(sheet, _named(sheet, "track"))
    if sheet.has("position_x"):
        kept = np.isfinite(track)
        rows = [row for row, keep in zip(sheet.rows, kept, strict=True) if keep]
        sheet, track = Sheet(sheet.path, sheet.names, tuple(rows), sheet.decimal_comma), track[kept]
    z = _named(sheet, "z")
    depth = _numbers(sheet, z) if z else np.zeros(0)
    flat = not z or (sheet.has("position_z") and not depth.any())
    axes = "YX" if flat else "ZYX"
    position = [_required(sheet, _named(sheet, axis)) for axis in axes.lower()]
    frame = _required(sheet, _named(sheet, "frame"))
    parent = _numbers(sheet, _named(sheet, "parent")) if _named(sheet, "parent") else None
    shift = 1 if len(track) and np.nanmin(track) == 0 else 0
    label, area = (_optional_whole(sheet, name) for name in ("label", "area"))
    confidence = _numbers(sheet, "confidence") if sheet.has("confidence") else None
    _check_divisions(sheet, track, frame)
    return TrackColumns(
        frame,
        track + shift,
        np.stack(position, axis=1),
        label,
        area,
        confidence,
        _parents(sheet.path, track, parent, shift),
        axes,
        {axis: size for axis, size in pixel_size.items() if axis in f"T{axes}"},
        _features(sheet) if sheet.has(*_OWN) else {},
    )


def _numbers(sheet: Sheet, column: str) -> NDArray[np.float64]:
    """Return a column as numbers, NaN where there is none."""
    cells = (to_number(row.text(column), sheet.decimal_comma) for row in sheet.rows)
    return np.array([np.nan if cell is None else cell for cell in cells], np.float64)


def _required(sheet: Sheet, column: str) -> NDArray[np.float64]:
    numbers = _numbers(sheet, column)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        row = sheet.rows[int(bad[0])]
        raise InputError(f"{sheet.path}, {row.where}: {column} is {row.text(column)[:20]!r}.")
    return numbers


def _optional_whole(sheet: Sheet, column: str) -> NDArray[np.float64] | None:
    """Return a column of whole numbers; None if it is not there or holds others, as names do."""
    if not sheet.has(column):
        return None
    numbers = _numbers(sheet, column)
    return numbers if (np.floor(numbers) == numbers).all() else None


def _check_divisions(sheet: Sheet, track: NDArray[np.float64], frame: NDArray[np.float64]) -> None:
    pairs = np.stack([track, frame])
    if sheet.has("position_x") and np.unique(pairs, axis=1).shape[1] < pairs.shape[1]:
        raise InputError(
            f"{sheet.path}: a track of TrackMate divides, and its table of spots does not say "
            "where. Export the tracks as XML."
        )


def _parents(
    path: Path, track: NDArray[np.float64], parent: NDArray[np.float64] | None, shift: int
) -> dict[int, int]:
    """Return the parent of each track; an empty cell, a negative one and 0 are none.

    Where tracks begin at 0 and cells without a parent are empty or negative, 0 is a track.
    """
    if parent is None:
        return {}
    zero_is_track = shift and bool((np.isnan(parent) | (parent < 0)).any())
    has = np.isfinite(parent) & (parent >= (0 if zero_is_track else 1))
    pairs = np.unique(np.stack([track[has], parent[has]]), axis=1)
    own, count = np.unique(pairs[0], return_counts=True)
    if (count > 1).any():
        raise InputError(f"{path}: track {own[count > 1][0]:g} has several parents.")
    children, parents = (pairs + shift).astype(np.int64).tolist()
    return dict(zip(children, parents, strict=True))


def _pixel_size(sheet: Sheet) -> PixelSize:
    """Return the sizes of steps: the ratio of a position in units to that in pixels."""
    sizes: dict[str, tuple[float, str]] = {}
    for name in sheet.names:
        found = _PHYSICAL.fullmatch(name.lower())
        if not found:
            continue
        axis, unit = found.groups()
        steps = _numbers(sheet, _named(sheet, "frame" if axis == "time" else axis))
        physical = _numbers(sheet, name)
        if len(steps) and (best := int(np.argmax(np.abs(steps)))) >= 0 and steps[best]:
            size = float(f"{physical[best] / steps[best]:.14g}")
            if np.isfinite(size) and size > 0:
                sizes["T" if axis == "time" else axis.upper()] = (size, unit)
    return sizes


def _features(sheet: Sheet) -> dict[str, NDArray[Any]]:
    """Return the columns that have no other meaning: whole or real numbers, or texts."""
    known = {name for names in _NAMES.values() for name in names}
    features: dict[str, NDArray[Any]] = {}
    for name in sheet.names:
        if name.lower() not in known and not _PHYSICAL.fullmatch(name.lower()):
            features[name] = _feature([row.text(name) for row in sheet.rows], sheet.decimal_comma)
    return features


def _feature(cells: Sequence[str], comma: bool) -> NDArray[Any]:
    if all(re.fullmatch(r"-?\d{1,18}", cell) for cell in cells):
        return np.array([int(cell) for cell in cells], np.int64)
    numbers = [np.nan if not cell else to_number(cell, comma) for cell in cells]
    if all(number is not None for number in numbers):
        return np.array(numbers, np.float64)
    return np.array(list(cells), object)
