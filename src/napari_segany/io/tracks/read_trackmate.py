"""Reading of TrackMate's XML, spot by spot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize, keep_known
from napari_segany.io.tracks.assembly import TrackColumns, check_file_size, whole_column
from napari_segany.io.tracks.formats import TrackFile
from napari_segany.io.tracks.trackmate import FEATURE, OWN
from napari_segany.linking.tracks.track_graph import tracks_of_links

_POSITION = ("POSITION_Z", "POSITION_Y", "POSITION_X")
_KNOWN = {*_POSITION, "POSITION_T", "FRAME", "VISIBILITY", "ID", "name"}
_CHUNK = 2**20

MOST_FEATURES = 1000
"""Features of spots of the largest file that is read."""


class _Collector:
    """Target of the XML parser; keeps numbers of spots and edges, and nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.units: Mapping[str, str] = {}
        self.image: Mapping[str, str] = {}
        self.features: dict[str, tuple[str, bool]] = {}
        self.ids: list[int] = []
        self.spots: dict[str, list[float]] = {}
        self.edges: list[tuple[int, int]] = []
        self.edge_tracks: list[str] = []
        self.filtered: set[str] = set()
        self.has_tracks = False
        self._section = ""
        self._track = ""

    def doctype(self, name: str, *_: object) -> None:
        """Refuse definitions of entities, which can grow without bounds."""
        raise InputError(f"{self.path} defines entities of XML (DOCTYPE {name[:20]}); not read.")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "Spot":
            self._add_spot(attributes)
        elif tag == "Edge":
            keys = ("SPOT_SOURCE_ID", "SPOT_TARGET_ID")
            source, target = (self._number(attributes, key) for key in keys)
            self.edges.append((int(source), int(target)))
            self.edge_tracks.append(self._track)
        elif tag == "Track":
            self._track = attributes.get("TRACK_ID", "")
        elif tag == "TrackID":
            self.filtered.add(attributes.get("TRACK_ID", ""))
        elif tag == "Feature" and self._section == "SpotFeatures":
            self._declare(attributes)
        elif tag == "Model":
            self.units = dict(attributes)
        elif tag == "ImageData":
            self.image = dict(attributes)
        elif tag == "FilteredTracks":
            self.has_tracks = True
        elif tag.endswith("Features"):
            self._section = tag

    def end(self, _: str) -> None:
        """Do nothing: all values are attributes."""

    def close(self) -> "_Collector":
        return self

    def _declare(self, attributes: Mapping[str, str]) -> None:
        key = attributes.get("feature", "")
        if key and key not in _KNOWN:
            is_whole = attributes.get("isint") == "true"
            self.features[key] = (attributes.get("name", key), is_whole)
            self.spots.setdefault(key, [np.nan] * len(self.ids))
        if len(self.features) > MOST_FEATURES:
            raise InputError(f"{self.path} declares more than {MOST_FEATURES} features of spots.")

    def _add_spot(self, attributes: Mapping[str, str]) -> None:
        spot_id = int(self._number(attributes, "ID"))
        for key in ("FRAME", *_POSITION):
            self.spots.setdefault(key, []).append(self._number(attributes, key))
        for key in self.features:
            value = self._number(attributes, key) if key in attributes else np.nan
            self.spots[key].append(value)
        self.ids.append(spot_id)

    def _number(self, attributes: Mapping[str, str], key: str) -> float:
        text = attributes.get(key, "")
        try:
            number = float(text.replace("Infinity", "inf"))
            if key in ("ID", "SPOT_SOURCE_ID", "SPOT_TARGET_ID") and not abs(number) < 2**53:
                raise ValueError
        except ValueError as error:
            what = f"is {text[:20]!r}" if text else "is missing"
            raise InputError(f"{self.path}: {key} of a spot or an edge {what}.") from error
        return number


def is_xml(path: Path) -> bool:
    """Return True for a file that begins like XML."""
    with path.open("rb") as file:
        start = file.read(64)
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def read(path: Path) -> TrackFile:
    """Read the spots and edges of a file of TrackMate.

    Positions become pixels by the calibration in the file. Only tracks that TrackMate shows are
    read. Spots without a track are left out, but for files of this package, where they are tracks
    of one object.

    Raises
    ------
    InputError
        If it is no such file, or its tracks merge.
    """
    check_file_size(path)
    collector = _Collector(path)
    parser = ElementTree.XMLParser(target=collector)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                parser.feed(chunk)
        parser.close()
    except InputError:
        raise
    # Also of encodings that are not known.
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f"{path} is no XML that can be read: {error}.") from error
    if not collector.ids:
        raise InputError(f"{path} holds no spots of TrackMate.")
    return TrackFile(_columns(collector).table(path), None)


def _columns(found: _Collector) -> TrackColumns:
    links = _links(found)
    spots = {key: np.array(values) for key, values in found.spots.items()}
    own = set(OWN.values()) <= set(found.features)
    kept = np.full(len(found.ids), own)
    kept[links.reshape(-1)] = True
    spots = {key: values[kept] for key, values in spots.items()}
    frame = whole_column(found.path, "frame", spots["FRAME"])
    stated = whole_column(found.path, "track", spots[OWN["track"]]) if own else None
    try:
        track, parents = tracks_of_links(frame, (np.cumsum(kept) - 1)[links], stated)
    except InputError as error:
        raise InputError(f"{found.path}: {error}") from error
    axes, position, sizes = _places(found, spots)
    return TrackColumns(
        frame,
        track,
        position,
        spots[OWN["label"]] if own else None,
        spots[OWN["area"]] if own else None,
        spots[OWN["confidence"]] if own else None,
        parents,
        axes,
        sizes,
        _features(found, spots, own),
    )


def _links(found: _Collector) -> NDArray[np.intp]:
    """Return pairs of numbers of spots, of the tracks that are shown."""
    ids = np.array(found.ids, np.int64)
    order = np.argsort(ids, kind="stable")
    if (np.diff(ids[order]) == 0).any():
        raise InputError(f"{found.path}: two spots have the same ID.")
    shown = [not found.has_tracks or track in found.filtered for track in found.edge_tracks]
    edges = np.array(found.edges, np.int64).reshape(-1, 2)[np.array(shown, bool)]
    at = np.minimum(np.searchsorted(ids, edges, sorter=order), len(ids) - 1)
    links: NDArray[np.intp] = order[at]
    if (ids[links] != edges).any():
        raise InputError(f"{found.path}: an edge names a spot that is not there.")
    return links


def _places(
    found: _Collector, spots: Mapping[str, NDArray[np.float64]]
) -> tuple[str, NDArray[np.float64], PixelSize]:
    """Return axes, positions in pixels, and the size of a pixel."""
    flat = found.image.get("nslices", "1") in ("", "1") and not spots["POSITION_Z"].any()
    axes = "YX" if flat else "ZYX"
    names = {"Z": "voxeldepth", "Y": "pixelheight", "X": "pixelwidth", "T": "timeinterval"}
    steps = {axis: _positive(found.image.get(names[axis], "1")) for axis in f"T{axes}"}
    unit, time = (found.units.get(name, "") for name in ("spatialunits", "timeunits"))
    position = np.stack([spots[f"POSITION_{axis}"] / steps[axis] for axis in axes], axis=1)
    stated = {axis: (step, time if axis == "T" else unit) for axis, step in steps.items()}
    return axes, position, keep_known(stated)


def _positive(text: str) -> float:
    """Return a size, 1 where a file states none."""
    try:
        size = float(text)
    except ValueError:
        return 1.0
    return size if np.isfinite(size) and size > 0 else 1.0


def _features(
    found: _Collector, spots: Mapping[str, NDArray[np.float64]], own: bool
) -> dict[str, NDArray[Any]]:
    """Return the other features: of this package by their names, of TrackMate by their keys."""
    features: dict[str, NDArray[Any]] = {}
    for key, (name, is_whole) in found.features.items():
        if own and not key.startswith(FEATURE):
            continue
        values = spots[key]
        whole = is_whole and bool((np.floor(values) == values).all())
        features[name if own else key] = values.astype(np.int64) if whole else values
    return features
