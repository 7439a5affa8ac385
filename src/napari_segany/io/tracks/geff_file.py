"""GEFF: tracks as a graph in a Zarr folder, written and read by its own library."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.units import TIMES
from napari_segany.errors import InputError
from napari_segany.io.ome_zarr import MARKS, is_zarr
from napari_segany.io.pixel_size import PixelSize, from_names, to_name
from napari_segany.io.tracks.assembly import TrackColumns, numeric_features, whole_column
from napari_segany.io.tracks.formats import TrackFile
from napari_segany.io.zarr_codecs import names_unsafe_codec
from napari_segany.linking.tracks.track_graph import lineages_of, links_of, tracks_of_links
from napari_segany.linking.tracks.track_table import TrackTable

MOST_OBJECTS = 20_000_000
"""Objects and links of the largest graph that is read."""

_COLUMNS = ("track", "lineage", "label", "area", "confidence")
_LARGEST_METADATA = 16 * 2**20
_AXES = "tzyx"


def _geff() -> Any:
    try:
        import geff
    except ImportError as error:
        raise InputError(
            'GEFF needs the package geff: pip install "napari-segany[tracks]".'
        ) from error
    return geff


def is_geff(path: Path) -> bool:
    """Return True for a Zarr folder whose attributes describe a graph."""
    if not is_zarr(path):
        return False
    try:
        return "geff" in _attributes(path)
    except InputError:
        return False


def holds_only_graph(path: Path) -> bool:
    """Return True for a graph with nothing else in its folder, such as images."""
    parts = {"nodes", "edges", ".zmetadata", *MARKS}
    return is_geff(path) and {each.name for each in path.iterdir()} <= parts


def write(path: Path, table: TrackTable, _load_frame: object, _frames: int) -> None:
    """Write a graph: a node an object, an edge a link.

    Nodes have ``t`` in frames and ``z``, ``y``, ``x`` in pixels, with the size of a step as scale
    of the axis; ``track``, ``lineage``, ``label``, ``area``, ``confidence`` and the features.

    Raises
    ------
    InputError
        If the package geff is not installed.
    """
    geff = _geff()
    from geff.core_io import write_arrays
    from zarr.storage import LocalStore

    links = links_of(table)
    columns: dict[str, NDArray[Any]] = {"t": table.frame}
    columns |= {axis: table.position[:, i] for i, axis in enumerate(table.axes.lower())}
    columns |= {
        "track": table.track,
        "lineage": lineages_of(len(table.frame), links),
        "label": table.label,
        "area": table.area,
        "confidence": table.confidence,
    }
    titles: dict[str, str] = {}
    for name, column in numeric_features(table).items():
        key = _key(name, columns)
        columns[key], titles[key] = column, name
    arrays: Any = {name: {"values": column, "missing": None} for name, column in columns.items()}
    with _quiet():
        metadata = geff.GeffMetadata(**_metadata(table, columns, titles))
        # A path with a tilde would be taken for one of the user's home.
        write_arrays(
            LocalStore(path),
            np.arange(len(table.frame), dtype=np.uint64),
            arrays,
            links.astype(np.uint64),
            {},
            metadata,
        )


def _key(name: str, taken: Mapping[str, Any]) -> str:
    """Return a feature's name as that of a folder that is not there yet."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name) or "_"
    key, number = plain, 2
    while key.lower() in {each.lower() for each in taken}:
        key, number = f"{plain}_{number}", number + 1
    return key


def _metadata(
    table: TrackTable, columns: Mapping[str, NDArray[Any]], titles: Mapping[str, str]
) -> dict[str, Any]:
    """Return the description of the graph."""
    axes = []
    for axis in f"T{table.axes}":
        is_time = axis == "T"
        entry: dict[str, Any] = {
            "name": axis.lower(),
            "type": "time" if is_time else "space",
            "unit": "frame" if is_time else "pixel",
        }
        if axis in table.pixel_size:
            size, unit = table.pixel_size[axis]
            entry |= {"scale": size, "scaled_unit": to_name(unit) or unit}
        axes.append(entry)
    track_props = {"lineage": "lineage"}
    # A track of this format ends only where a graph divides; an only daughter would go on.
    if all(len(children) > 1 for children in table.children.values()):
        track_props["tracklet"] = "track"
    props = {
        name: {"identifier": name, "dtype": column.dtype.name, "name": titles.get(name, name)}
        for name, column in columns.items()
    }
    return {
        "directed": True,
        "axes": axes,
        "node_props_metadata": props,
        "edge_props_metadata": {},
        "track_node_props": track_props,
    }


def read(path: Path) -> TrackFile:
    """Read a graph whose nodes have a time, and a position.

    Raises
    ------
    InputError
        If the package geff is not installed, the file is damaged, or the graph holds no tracks.
    """
    geff = _geff()
    _check_codecs(path)
    try:
        with _quiet():
            graph, metadata = _load(geff, path)
    except InputError:
        raise
    # Metadata and chunks can be wrong in any way.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} cannot be read as GEFF: {reason}.") from error
    return TrackFile(_columns(path, graph, metadata).table(path), None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the library's advice to programmers, such as units that it does not list."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _load(geff: Any, path: Path) -> tuple[Any, Any]:
    """Return the graph with those properties that have one number a node."""
    from zarr.storage import LocalStore

    reader = geff.GeffReader(LocalStore(path))
    for what, array in (("objects", reader.nodes), ("links", reader.edges)):
        if array.shape[0] > MOST_OBJECTS:
            raise InputError(f"{path} has {array.shape[0]} {what}; up to {MOST_OBJECTS} are read.")
    reader.read_node_props()
    shape = reader.nodes.shape
    reader.node_props = {
        name: prop
        for name, prop in reader.node_props.items()
        if prop["values"].shape == shape
        and prop["values"].dtype.kind in "buif"
        # Texts and arrays of different lengths.
        and "data" not in prop
    }
    return reader.build(), reader.metadata


def _attributes(path: Path) -> Mapping[str, Any]:
    for name in (".zattrs", "zarr.json"):
        if (path / name).is_file():
            found = _json(path / name)
            found = found.get("attributes", {}) if name == "zarr.json" else found
            if isinstance(found, dict):
                return found
    return {}


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST_METADATA:
            raise InputError(f"{path} is too large for a description of a graph.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}.") from error
    return found if isinstance(found, dict) else {}


def _check_codecs(path: Path) -> None:
    """Raise InputError if reading an array could run code: one of Zarr's codecs unpickles."""
    for name in (".zarray", "zarr.json", ".zmetadata"):
        for file in path.rglob(name):
            if names_unsafe_codec(_json(file)):
                raise InputError(f"{file} names a codec that can run programs; it is not read.")


def _columns(path: Path, graph: Any, metadata: Any) -> TrackColumns:
    """Return the columns of a graph in memory."""
    ids = np.asarray(graph["node_ids"])
    # In the order of the metadata: that of the folders depends on the file system.
    listed = [name for name in metadata.node_props_metadata if name in graph["node_props"]]
    listed += sorted(set(graph["node_props"]) - set(listed))
    props = {name: np.asarray(graph["node_props"][name]["values"]) for name in listed}
    missing = {name: prop["missing"] for name, prop in graph["node_props"].items()}
    names = _axis_names(path, metadata, props)
    axes = "ZYX" if "z" in names else "YX"
    for axis in names.values():
        if missing[axis] is not None and np.any(missing[axis]):
            raise InputError(f"{path}: an object has no {axis}.")
    sizes = _pixel_size(metadata, {name: axis.upper() for axis, name in names.items()})
    time, step = _frames(path, props[names["t"]], sizes)
    frame = whole_column(path, "time", time)
    order = np.argsort(ids, kind="stable")
    edges = np.asarray(graph["edge_ids"]).reshape(-1, 2)
    at = np.minimum(np.searchsorted(ids, edges, sorter=order), max(len(ids) - 1, 0))
    links = order[at] if len(ids) else np.zeros((0, 2), np.intp)
    if (len(edges) and not len(ids)) or (ids[links] != edges).any():
        raise InputError(f"{path}: a link names an object that is not there.")
    own = set(_COLUMNS) <= set(props)
    stated = whole_column(path, "track", props["track"]) if own else None
    try:
        track, parents = tracks_of_links(frame, links, stated)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    others = {name for name in props if name not in names.values()} - set(_COLUMNS if own else ())
    titles = {name: metadata.node_props_metadata[name].name or name for name in others}
    return TrackColumns(
        frame,
        track,
        np.stack([props[names[axis]] for axis in axes.lower()], axis=1),
        props["label"] if own else None,
        props["area"] if own else None,
        props["confidence"] if own else None,
        parents,
        axes,
        {axis: size for axis, size in sizes.items() if axis != "T"} | step,
        {titles[name]: _filled(props[name], missing[name]) for name in props if name in others},
    )


def _filled(values: NDArray[Any], missing: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return a feature as int64 or float64, NaN where it is missing."""
    if missing is not None and np.any(missing):
        return np.where(missing, np.nan, values.astype(np.float64))
    return values.astype(np.float64 if values.dtype.kind == "f" else np.int64)


def _axis_names(path: Path, metadata: Any, props: Mapping[str, Any]) -> dict[str, str]:
    """Return the property of each of t, z, y and x; z may be missing."""
    stated = [axis for axis in metadata.axes or () if axis.name in props]
    names = {axis: axis for axis in _AXES if axis in props}
    space = [axis.name for axis in stated if axis.type == "space"]
    if not {"t", "y", "x"} <= set(names) and len(space) in (2, 3):
        names = dict(zip(_AXES[-len(space) :], space, strict=True))
        names["t"] = next((axis.name for axis in stated if axis.type == "time"), "t")
    lacking = [axis for axis in "tyx" if names.get(axis) not in props]
    if lacking:
        raise InputError(f"{path}: objects have no {lacking[0]}.")
    return names


def _pixel_size(metadata: Any, axes: Mapping[str, str]) -> PixelSize:
    """Return the size of a step along axes; positions in a unit of length have steps of one."""
    steps, units = {}, {}
    for axis in metadata.axes or ():
        letter = axes.get(axis.name)
        if letter is None:
            continue
        steps[letter] = 1.0 if axis.scaled_unit is None else float(axis.scale)
        units[letter] = str(axis.scaled_unit or axis.unit or "")
    return from_names(steps, units)


def _frames(
    path: Path, time: NDArray[Any], sizes: PixelSize
) -> tuple[NDArray[Any], dict[str, tuple[float, str]]]:
    """Return frames, and the time between them where it is known.

    Whole numbers are frames. Others are times, evenly spaced.
    """
    known = {"T": sizes["T"]} if "T" in sizes and sizes["T"][1] in TIMES else {}
    if (np.floor(time) == time).all() or not np.isfinite(time).all():
        return time, known
    step = float(np.diff(np.unique(time)).min(initial=np.inf))
    if step == np.inf:
        return np.zeros(len(time), np.int64), known
    frame = np.round((time - time.min()) / step)
    if not np.allclose(time.min() + frame * step, time, rtol=1e-6, atol=1e-3 * step):
        raise InputError(f"{path}: times are neither frames nor evenly spaced.")
    return frame, {axis: (size * step, unit) for axis, (size, unit) in known.items()}
