"""Tracks and their steps as plain JSON values, and back."""

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
from annotated_types import Ge, Le, MaxLen, MinLen
from numpy.typing import NDArray
from typing_extensions import TypedDict

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_table import DIMENSIONS, TrackTable
from napari_segany.session.serialization import Count, Number, Real, Record
from napari_segany.session.tracks.changes import Patch, Step, TableChange

TrackId = Annotated[int, Ge(1), Le(2**31 - 1)]
Position = Annotated[list[Real], MinLen(2), MaxLen(3)]
Value = Real | int | bool | str | None


class RowsRecord(TypedDict):
    """Rows of a table as columns; None stands for NaN."""

    frame: list[Count]
    track: list[TrackId]
    position: list[Position]
    area: list[Count]
    confidence: list[Real | None]
    features: NotRequired[dict[str, list[Value]]]


class TableRecord(RowsRecord):
    """A whole table, with labels of the frames it was made from."""

    label: list[Number]
    parents: list[tuple[TrackId, TrackId]]
    axes: Literal["YX", "ZYX"]
    pixel_size: dict[str, tuple[Real, str]]
    dtypes: dict[str, str]


class PatchRecord(TypedDict):
    """Pixels of a frame that go from one id to another, in a box, compressed."""

    frame: Count
    start: Annotated[list[Count], MinLen(2), MaxLen(3)]
    shape: Annotated[list[Number], MinLen(2), MaxLen(3)]
    bits: str
    ids: Annotated[list[Annotated[int, Ge(0), Le(2**31 - 1)]], MinLen(2), MaxLen(2)]


class StepRecord(TypedDict):
    """One step."""

    name: str
    removed: NotRequired[RowsRecord]
    added: NotRequired[RowsRecord]
    parents_removed: NotRequired[list[tuple[TrackId, TrackId]]]
    parents_added: NotRequired[list[tuple[TrackId, TrackId]]]
    pixels: NotRequired[list[PatchRecord]]
    accepted: NotRequired[list[tuple[Count, TrackId]]]


def table_to_record(table: TrackTable) -> Record:
    """Return a table as plain values; see :func:`table_from_record`."""
    return {
        **_rows_to_record(table),
        "label": table.label.tolist(),
        "parents": sorted([int(c), int(p)] for c, p in table.parents.items()),
        "axes": table.axes,
        "pixel_size": {axis: list(size) for axis, size in table.pixel_size.items()},
        "dtypes": {name: column.dtype.str for name, column in table.features.items()},
    }


def table_from_record(record: TableRecord) -> TrackTable:
    """Return the table of a record.

    Raises
    ------
    InputError
        If it is no table of tracks.
    """
    features = record.get("features", {})
    if features.keys() != record["dtypes"].keys():
        raise InputError("Features of tracks and their types differ.")
    return TrackTable(
        label=np.array(record["label"], np.int64),
        parents=dict(record["parents"]),
        pixel_size={axis: (float(n), unit) for axis, (n, unit) in record["pixel_size"].items()},
        axes=record["axes"],
        **_columns(record, record["axes"]),
        features=_features(features, record["dtypes"]),
    )


def step_to_record(step: Step) -> Record:
    """Return a step as plain values; see :func:`step_from_record`."""
    change = step.change
    record: Record = {"name": step.name}
    for name, rows in (("removed", change.removed), ("added", change.added)):
        if len(rows.frame):
            record[name] = _rows_to_record(rows)
    for name, parents in (
        ("parents_removed", change.parents_removed),
        ("parents_added", change.parents_added),
    ):
        if parents:
            record[name] = sorted([int(c), int(p)] for c, p in parents.items())
    if step.patches:
        record["pixels"] = [_patch_to_record(patch) for patch in step.patches]
    if step.accepted:
        record["accepted"] = sorted([int(f), int(t)] for f, t in step.accepted)
    return record


def step_from_record(record: StepRecord, table: TrackTable) -> Step:
    """Return the step of a record, for tracks with the axes and features of a table.

    Raises
    ------
    InputError
        If it is no step.
    """
    dtypes = {name: column.dtype.str for name, column in table.features.items()}

    def rows(each: RowsRecord | None) -> TrackTable:
        features: Mapping[str, list[Value]]
        if each is None:
            each = RowsRecord(frame=[], track=[], position=[], area=[], confidence=[])
            features = {name: [] for name in dtypes}
        else:
            features = each.get("features", {})
        if features.keys() != dtypes.keys():
            raise InputError(f"The step {record['name']!a} has other features than the tracks.")
        columns = _columns(each, table.axes)
        return TrackTable(
            label=columns["track"],
            **columns,
            features=_features(features, dtypes),
            axes=table.axes,
            pixel_size=table.pixel_size,
        )

    change = TableChange(
        rows(record.get("removed")),
        rows(record.get("added")),
        dict(record.get("parents_removed", [])),
        dict(record.get("parents_added", [])),
    )
    patches = tuple(_patch_from_record(each) for each in record.get("pixels", []))
    if any(len(patch.shape) != DIMENSIONS[table.axes] for patch in patches):
        raise InputError(f"The step {record['name']!a} has pixels of other axes.")
    accepted = frozenset((f, t) for f, t in record.get("accepted", []))
    return Step(record["name"], change, patches, accepted)


def _rows_to_record(table: TrackTable) -> Record:
    record: Record = {
        "frame": table.frame.tolist(),
        "track": table.track.tolist(),
        "position": table.position.tolist(),
        "area": table.area.tolist(),
        "confidence": _plain(table.confidence),
    }
    if table.features:
        record["features"] = {name: _plain(column) for name, column in table.features.items()}
    return record


def _plain(column: NDArray[Any]) -> list[Any]:
    if column.dtype.kind != "f":
        found: list[Any] = column.tolist()
        return found
    finite = np.isfinite(column)
    return [n if known else None for n, known in zip(column.tolist(), finite, strict=True)]


def _columns(record: RowsRecord, axes: str) -> dict[str, Any]:
    dimensions = DIMENSIONS[axes]
    if any(len(each) != dimensions for each in record["position"]):
        raise InputError(f"Positions of tracks must have {dimensions} numbers.")
    unknown = [np.nan if n is None else n for n in record["confidence"]]
    return {
        "frame": np.array(record["frame"], np.int64),
        "track": np.array(record["track"], np.int64),
        "position": np.array(record["position"], np.float64).reshape(-1, dimensions),
        "area": np.array(record["area"], np.int64),
        "confidence": np.array(unknown, np.float64),
    }


def _features(
    features: Mapping[str, Sequence[Value]], dtypes: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    found = {}
    for name, values in features.items():
        try:
            dtype = np.dtype(dtypes[name])
            known = [np.nan if n is None and dtype.kind == "f" else n for n in values]
            if dtype.kind not in "biufU":
                raise TypeError(f"{dtype} is no type of a feature")
            # Texts may be longer than those that the type was made for.
            found[name] = np.array(known, None if dtype.kind == "U" and known else dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"The feature {name!a} of tracks cannot be read: {error}.") from error
    return found


def _patch_to_record(patch: Patch) -> Record:
    return {
        "frame": patch.frame,
        "start": list(patch.start),
        "shape": list(patch.shape),
        "bits": base64.b64encode(zlib.compress(patch.bits)).decode(),
        "ids": [patch.before, patch.after],
    }


def _patch_from_record(record: PatchRecord) -> Patch:
    size = -(-int(np.prod(record["shape"], dtype=np.float64)) // 8)
    reader = zlib.decompressobj()
    try:
        # No more than the box holds, however much there is.
        bits = reader.decompress(base64.b64decode(record["bits"], validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise InputError(f"Pixels of frame {record['frame']} are damaged: {error}.") from error
    if len(bits) != size or len(record["start"]) != len(record["shape"]):
        raise InputError(f"Pixels of frame {record['frame']} do not fill their box.")
    before, after = record["ids"]
    start, shape = tuple(record["start"]), tuple(record["shape"])
    return Patch(record["frame"], start, shape, bits, before, after)
