"""Reader of files of tracks: GEFF, TrackMate, and folders of the Cell Tracking Challenge."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_segany.io.tracks.ctc import holds_list
from napari_segany.io.tracks.formats import read_tracks
from napari_segany.io.tracks.geff_file import is_geff
from napari_segany.plugin.layers.tracks_layer import TRACKS, tracks_layer_data
from napari_segany.tracking import TrackedMovie

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return the reader of files of tracks; None if a path is none of them."""
    paths = [path] if isinstance(path, str) else path
    return read if all(_may_be_read(Path(each)) for each in paths) else None


def _may_be_read(path: Path) -> bool:
    # Other folders may have such names, too.
    return path.is_file() or is_geff(path) or (path.is_dir() and holds_list(path))


def read(path: str | list[str]) -> list[LayerData]:
    """Return a tracks layer for each file, and a labels layer where it holds masks.

    Labels are those of the tracks, and carry the table of tracks in their metadata.
    """
    paths = [path] if isinstance(path, str) else path
    return [layer for each in paths for layer in _read(Path(each))]


def _read(path: Path) -> list[LayerData]:
    table, frames = read_tracks(path)
    listed = path.is_file() and frames is not None
    name = (path.parent if listed else path).name.split(".")[0]
    name = name.removesuffix("_tracks").removesuffix("_trackmate")
    data, settings = tracks_layer_data(table)
    layers: list[LayerData] = [(data, settings | {"name": f"{name} tracks"}, "tracks")]
    if frames is not None:
        placed = {key: settings[key] for key in ("scale", "units", "axis_labels")}
        labels = TrackedMovie(table, frames, frames.count, frames.shape).to_labels()
        placed |= {"name": name, "metadata": {TRACKS: table}}
        layers.insert(0, (np.asarray(labels), placed, "labels"))
    return layers
