"""Features of GeoJSON, as QuPath writes its objects."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.detections.polygons import CORNER, prompt_of_line, prompt_of_rings
from napari_segany.io.detections.types import (
    ParsedTable,
    PlanePosition,
    RowError,
    TableEntry,
    TableImage,
    TableOptions,
)

_BEGINNING = 4096
"""Characters in which a file says what it is."""


def matches(path: Path) -> bool:
    """Return True if a JSON file begins as a collection or a list of features."""
    with path.open("rb") as file:
        begin = file.read(_BEGINNING)
    return b'"FeatureCollection"' in begin or b'"Feature"' in begin


def read(path: Path, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    features = _features(path)
    planes = {axis: axis for axis in "TZ"} if any(map(_plane, features)) else {}
    entries = [
        TableEntry(number, f"feature {number}", _name(each), partial(_make, each, bool(planes)))
        for number, each in enumerate(features, start=1)
    ]
    return ParsedTable(("GeoJSON: boxes and outlines of polygons, and points",), entries, planes)


def _features(path: Path) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON that can be read: {error}.") from error
    if isinstance(found, dict) and found.get("type") == "FeatureCollection":
        found = found.get("features")
    found = [found] if isinstance(found, dict) else found
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InputError(f"{path} is no collection of features.")
    return found


def _plane(feature: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the plane that a feature states; empty without one."""
    geometry = feature.get("geometry")
    plane = geometry.get("plane") if isinstance(geometry, dict) else None
    return plane if isinstance(plane, dict) else {}


def _place(feature: Mapping[str, Any]) -> dict[str, int]:
    """Return the index of a feature's plane; the first plane is often left out."""
    found = {axis: _plane(feature).get(axis.lower(), 0) for axis in "TZ"}
    return {axis: n if type(n) is int and n >= 0 else 0 for axis, n in found.items()}


def _name(feature: Mapping[str, Any]) -> str:
    about = feature.get("properties")
    name = about.get("name") if isinstance(about, dict) else None
    return str(name if name is not None else feature.get("id") or "")


def _make(
    feature: Mapping[str, Any], has_planes: bool
) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
    geometry = feature.get("geometry")
    if not isinstance(geometry, dict):
        raise RowError("it has no geometry")
    return [(_prompt(geometry), _place(feature) if has_planes else {})]


def _prompt(geometry: Mapping[str, Any]) -> ShapePrompt:
    kind, given = geometry.get("type"), geometry.get("coordinates")
    if kind == "Polygon":
        return prompt_of_rings([_positions(ring) for ring in _list(given)])
    if kind == "MultiPolygon":
        return prompt_of_rings([_positions(ring) for part in _list(given) for ring in _list(part)])
    if kind in ("Point", "MultiPoint", "LineString"):
        spots = _positions([given] if kind == "Point" else given) - CORNER
        if kind == "LineString":
            return prompt_of_line(spots)
        return ShapePrompt(spots.tolist(), [1] * len(spots))
    raise RowError(f"its geometry is {ascii(kind)[:40]}, no polygon, point or line")


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise RowError("its coordinates are no list of rings")
    return given


def _positions(given: Any) -> NDArray[np.float64]:
    """Return (N, 2) rows and columns of a list of x and y; a third coordinate is height."""
    try:
        spots = np.array([[each[1], each[0]] for each in _list(given)], np.float64)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise RowError("its coordinates are no numbers") from error
    if spots.ndim != 2 or not np.isfinite(spots).all():
        raise RowError("its coordinates are no numbers")
    return spots
