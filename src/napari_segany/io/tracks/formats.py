"""Formats of files of tracks: their names, writing, and reading by content.

This module is light: the module of a format is imported when it is used.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, NamedTuple, Protocol

from napari_segany.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_segany.linking.tracks.track_table import TrackTable

    LoadFrame = Callable[[int], NDArray[np.integer]]


class FrameLabels(Protocol):
    """Protocol of the label frames of a file of tracks, read when they are called."""

    @property
    def count(self) -> int:
        """Number of frames."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame, (Y, X) or (Z, Y, X)."""
        ...

    def __call__(self, frame: int) -> "NDArray[np.integer]":
        """Return the labels of a frame, whose values are those of the table."""
        ...


class TrackFile(NamedTuple):
    """Content of a file of tracks.

    Attributes
    ----------
    table : TrackTable
        The tracks.
    load_frame : FrameLabels or None
        The labels of a frame; None where the file holds no masks.
    """

    table: "TrackTable"
    load_frame: FrameLabels | None


@dataclass(frozen=True)
class TrackFormat:
    """One format of files of tracks.

    Attributes
    ----------
    ending : str
        Ending of the file's or folder's name.
    title : str
        Name for lists of formats.
    about : str
        Description of the file or folder.
    needs_labels : bool
        True if the labels of the frames are written, too.
    writer : str
        "module:function" that writes a temporary path, imported when it is used.
    is_own : str
        "module:function" that returns True for an existing folder which may be replaced; empty
        for files.
    """

    ending: str
    title: str
    about: str
    needs_labels: bool
    writer: str
    is_own: str = ""


_HERE = "napari_segany.io.tracks"

FORMATS: dict[str, TrackFormat] = {
    "ctc": TrackFormat(
        "_RES",
        "Cell Tracking Challenge",
        "a result of the Cell Tracking Challenge: a folder with res_track.txt and mask000.tif",
        True,
        f"{_HERE}.ctc:write_result",
        f"{_HERE}.ctc:holds_only_tracks",
    ),
    "ctc-truth": TrackFormat(
        "_TRA",
        "CTC ground truth",
        "truth of the Cell Tracking Challenge: a folder with man_track.txt and man_track000.tif",
        True,
        f"{_HERE}.ctc:write_truth",
        f"{_HERE}.ctc:holds_only_tracks",
    ),
    "geff": TrackFormat(
        "_tracks.geff",
        "GEFF graph",
        "a graph in a Zarr folder, as the Graph Exchange File Format has it",
        False,
        f"{_HERE}.geff_file:write",
        f"{_HERE}.geff_file:holds_only_graph",
    ),
    "trackmate": TrackFormat(
        "_trackmate.xml",
        "TrackMate XML",
        "a file that TrackMate opens in Fiji",
        False,
        f"{_HERE}.trackmate:write",
    ),
    "csv": TrackFormat(
        "_tracks.csv",
        "Table (CSV)",
        "a table with a row for each object of each frame",
        False,
        f"{_HERE}.track_csv:write",
    ),
}
"""Every format by its name, in the order in which the faces list them."""


def write_tracks(
    format: str,
    path: str | Path,
    table: "TrackTable",
    load_frame: "LoadFrame | None" = None,
    frames: int | None = None,
) -> Path:
    """Write tracks for other programs, whole or not at all.

    Parameters
    ----------
    format : str
        A key of :data:`FORMATS`.
    path : path
        File or folder to write. A file is replaced; a folder only if nothing else is in it.
    table : TrackTable
        The tracks.
    load_frame : callable, optional
        Returns the labels of a frame, (Y, X) or (Z, Y, X) whole numbers, whose values are the
        labels of the table. Formats with masks need it.
    frames : int, optional
        Number of frames of the movie; by default up to the last object.

    Returns
    -------
    Path
        The file or folder written.

    Raises
    ------
    InputError
        If the format cannot hold the tracks, or labels are missing.
    SeganyError
        If it cannot be written.
    """
    from napari_segany.io.atomic import writing

    path = Path(path)
    known = FORMATS.get(format)
    if known is None:
        raise InputError(f"Formats of tracks are {', '.join(FORMATS)}, got {format!r}.")
    if known.needs_labels and load_frame is None:
        raise InputError(f"The format {format} holds masks; give the labels of the frames, too.")
    last = int(table.frame.max(initial=-1))
    frames = last + 1 if frames is None else frames
    if frames <= last or (len(table.frame) and table.frame.min() < 0):
        raise InputError(f"Tracks have objects up to frame {last}; the movie has {frames} frames.")
    _check_replaceable(path, known)
    with writing(path) as temporary:
        write: Callable[..., None] = resolve_name(known.writer)
        write(temporary, table, load_frame, frames)
    return path


def _check_replaceable(path: Path, known: TrackFormat) -> None:
    """Raise InputError where writing would delete what is no file of tracks."""
    if not os.path.isdir(path):
        return
    is_own: Callable[[Path], bool] = resolve_name(known.is_own) if known.is_own else _never
    if any(path.iterdir()) and not is_own(path):
        raise InputError(f"{path} is a folder with other files; choose a new one.")


def _never(_: Path) -> bool:
    return False


def read_tracks(path: str | Path) -> TrackFile:
    """Read tracks; the format is recognised by the content.

    Parameters
    ----------
    path : path
        A folder of the Cell Tracking Challenge or its text file, a GEFF, TrackMate's XML, or a
        table of this package, LapTrack or TrackMate.

    Returns
    -------
    TrackFile
        The table, and the labels of frames where the file holds masks.

    Raises
    ------
    InputError
        If it cannot be read, or its rows are no tracks.
    """
    path = Path(path)
    if not os.path.lexists(path):
        raise InputError(f"There is no file {path}.")
    try:
        return _reader(path)(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from error


def _reader(path: Path) -> Callable[[Path], TrackFile]:
    from napari_segany.io.tracks import ctc, geff_file, read_trackmate, track_csv

    if path.is_dir():
        return geff_file.read if geff_file.is_geff(path) else ctc.read
    if ctc.is_track_list(path):
        return ctc.read
    return read_trackmate.read if read_trackmate.is_xml(path) else track_csv.read
