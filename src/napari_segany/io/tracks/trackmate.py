"""Files of TrackMate: spots, and the edges between them, as XML."""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.units import convert
from napari_segany.io.pixel_size import PixelSize
from napari_segany.io.safe_names import shown
from napari_segany.io.tracks.assembly import numeric_features
from napari_segany.linking.tracks.track_graph import lineages_of, links_of
from napari_segany.linking.tracks.track_table import TrackTable

VERSION = "7.11.1"
"""Version of TrackMate whose files these are."""

OWN = {"track": "SEGANY_TRACK", "label": "SEGANY_LABEL", "area": "SEGANY_AREA",
       "confidence": "SEGANY_CONFIDENCE"}  # fmt: skip
"""Spot features that hold columns of a table."""

FEATURE = "SEGANY_FEATURE_"
"""Beginning of the names of other spot features that this package writes."""

_SPOT = (
    ("QUALITY", "Quality", "QUALITY", False),
    ("POSITION_X", "X", "POSITION", False),
    ("POSITION_Y", "Y", "POSITION", False),
    ("POSITION_Z", "Z", "POSITION", False),
    ("POSITION_T", "T", "TIME", False),
    ("FRAME", "Frame", "NONE", True),
    ("RADIUS", "Radius", "LENGTH", False),
    ("VISIBILITY", "Visibility", "NONE", True),
)
_EDGE = (
    ("SPOT_SOURCE_ID", "Source spot ID", "NONE", True),
    ("SPOT_TARGET_ID", "Target spot ID", "NONE", True),
    ("LINK_COST", "Link cost", "COST", False),
)
_TRACK = (
    ("TRACK_INDEX", "Track index", "NONE", True),
    ("TRACK_ID", "Track ID", "NONE", True),
    ("NUMBER_SPOTS", "Number of spots in track", "NONE", True),
)

_Declared = tuple[str, str, str, bool]


def write(
    path: Path,
    table: TrackTable,
    load_frame: Callable[[int], NDArray[np.integer]] | None,
    frames: int,
) -> None:
    """Write the tracks of a movie.

    A track of TrackMate is a whole lineage, so the ids of tracks are features of spots. Lengths
    are in the unit of X where sizes of a step along all axes of a frame are known, else in pixels.
    """
    scale, unit = _lengths(table)
    interval, time_unit = table.pixel_size.get("T", (1.0, "frame"))
    shape = load_frame(0).shape if load_frame is not None and frames else _extent(table)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        file.write(f'<TrackMate version="{VERSION}">\n')
        file.write(f"<Model spatialunits={quoteattr(unit)} timeunits={quoteattr(time_unit)}>\n")
        _write_declarations(file, table)
        _write_spots(file, table, scale, interval)
        _write_tracks(file, table)
        file.write("</Model>\n")
        depth = max(shape[0], 2) if len(shape) == 3 else 1
        image = {
            "filename": "",
            "folder": "",
            "width": shape[-1],
            "height": shape[-2],
            "nslices": depth,
            "nframes": frames,
            "pixelwidth": scale[-1],
            "pixelheight": scale[-2],
            "voxeldepth": scale[0] if len(scale) == 3 else 1.0,
            "timeinterval": interval,
        }
        limits = {"xstart": 0, "xend": shape[-1] - 1, "ystart": 0, "yend": shape[-2] - 1}
        limits |= {"zstart": 0, "zend": depth - 1, "tstart": 0, "tend": max(frames - 1, 0)}
        file.write(f"<Settings>\n<ImageData {_attributes(image)} />\n")
        file.write(f"<BasicSettings {_attributes(limits)} />\n</Settings>\n</TrackMate>\n")


def _lengths(table: TrackTable) -> tuple[tuple[float, ...], str]:
    """Return the length of a pixel along each axis of a frame, and its unit."""
    sizes: PixelSize = table.pixel_size
    if "X" in sizes:
        unit = sizes["X"][1]
        lengths = [convert(*sizes[axis], unit) for axis in table.axes if axis in sizes]
        known = tuple(length for length in lengths if length is not None)
        if len(known) == len(table.axes):
            return known, unit
    return (1.0,) * len(table.axes), "pixel"


def _extent(table: TrackTable) -> tuple[int, ...]:
    """Return a shape that holds all positions."""
    if not len(table.frame):
        return (1,) * len(table.axes)
    return tuple(int(n) + 2 for n in np.maximum(table.position.max(axis=0), 0))


def _attributes(values: dict[str, object]) -> str:
    return " ".join(f"{name}={quoteattr(_text(value))}" for name, value in values.items())


def _text(value: object) -> str:
    """Return a value as Java spells it."""
    if isinstance(value, float):
        if not np.isfinite(value):
            return "NaN" if np.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        return repr(float(value))
    return shown(value)


def _declared(table: TrackTable) -> list[_Declared]:
    """Return the spot features of a table beside TrackMate's own."""
    known: list[_Declared] = [
        (key, f"napari-segany {name}", "NONE", name != "confidence") for name, key in OWN.items()
    ]
    for number, (name, column) in enumerate(numeric_features(table).items()):
        known.append((f"{FEATURE}{number}", name, "NONE", column.dtype.kind == "i"))
    return known


def _write_declarations(file: IO[str], table: TrackTable) -> None:
    file.write("<FeatureDeclarations>\n")
    kinds = {
        "SpotFeatures": [*_SPOT, *_declared(table)],
        "EdgeFeatures": list(_EDGE),
        "TrackFeatures": list(_TRACK),
    }
    for kind, features in kinds.items():
        file.write(f"<{kind}>\n")
        for key, name, dimension, is_int in features:
            entry: dict[str, object] = {"feature": key, "name": name, "shortname": name}
            entry |= {"dimension": dimension, "isint": str(is_int).lower()}
            file.write(f"<Feature {_attributes(entry)} />\n")
        file.write(f"</{kind}>\n")
    file.write("</FeatureDeclarations>\n")


def _write_spots(
    file: IO[str], table: TrackTable, scale: tuple[float, ...], interval: float
) -> None:
    place = table.position * scale
    dimensions = len(scale)
    volume = np.maximum(table.area, 1) * float(np.prod(scale))
    # Of a disc or a ball of the same size.
    radius = np.sqrt(volume / np.pi) if dimensions == 2 else np.cbrt(0.75 * volume / np.pi)
    names = [key for key, *_ in _declared(table)]
    own = [table.track, table.label, table.area, table.confidence]
    columns = [column.tolist() for column in (*own, *numeric_features(table).values())]
    frames, radii, places = table.frame.tolist(), radius.tolist(), place.tolist()
    file.write(f'<AllSpots nspots="{len(frames)}">\n')
    for frame, rows in groupby(range(len(frames)), frames.__getitem__):
        file.write(f'<SpotsInFrame frame="{frame}">\n')
        for row in rows:
            spot: dict[str, object] = {"ID": row, "name": f"ID{row}", "QUALITY": 1.0}
            spot |= {"POSITION_X": places[row][-1], "POSITION_Y": places[row][-2]}
            spot |= {"POSITION_Z": places[row][0] if dimensions == 3 else 0.0}
            spot |= {"POSITION_T": frame * interval, "FRAME": frame, "RADIUS": radii[row]}
            spot |= {"VISIBILITY": 1}
            spot |= {name: values[row] for name, values in zip(names, columns, strict=True)}
            file.write(f"<Spot {_attributes(spot)} />\n")
        file.write("</SpotsInFrame>\n")
    file.write("</AllSpots>\n")


def _write_tracks(file: IO[str], table: TrackTable) -> None:
    """Write lineages of two objects or more."""
    found = list(_lineages(table))
    file.write("<AllTracks>\n")
    for number, (spots, links) in enumerate(found):
        about: dict[str, object] = {"name": f"Track_{number}", "TRACK_ID": number}
        about |= {"TRACK_INDEX": number, "NUMBER_SPOTS": spots}
        file.write(f"<Track {_attributes(about)}>\n")
        for source, target in links:
            file.write(
                f'<Edge SPOT_SOURCE_ID="{source}" SPOT_TARGET_ID="{target}" LINK_COST="-1.0" />\n'
            )
        file.write("</Track>\n")
    file.write("</AllTracks>\n<FilteredTracks>\n")
    file.writelines(f'<TrackID TRACK_ID="{number}" />\n' for number in range(len(found)))
    file.write("</FilteredTracks>\n")


def _lineages(table: TrackTable) -> Iterator[tuple[int, list[list[int]]]]:
    """Iterate over lineages: the number of their objects, and their links."""
    links = links_of(table)
    lineage = lineages_of(len(table.frame), links)
    sizes = np.bincount(lineage)
    of_links = lineage[links[:, 0]]
    links = links[np.argsort(of_links, kind="stable")]
    numbers, counts = np.unique(of_links, return_counts=True)
    for number, part in zip(numbers, np.split(links, np.cumsum(counts)[:-1]), strict=False):
        yield int(sizes[number]), part.tolist()
