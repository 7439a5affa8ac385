"""Tracks opened in a worker thread: linked or restored, with labels and journal."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError, SeganyError
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.plugin.tracks.movie_source import MovieSource
from napari_segany.session.tracks.label_frames import relabel_frames
from napari_segany.session.tracks.track_journal import SavedTracks
from napari_segany.session.tracks.track_session import TrackSession

if TYPE_CHECKING:
    from napari_segany.plugin.shared.message_line import Severity

PASSES = 3
"""Passes over the frames that progress counts: link, relabel, find boxes."""


@dataclass(frozen=True, eq=False)
class OpenedTracks:
    """Tracks that are ready to be shown.

    Attributes
    ----------
    session : TrackSession
        The tracks.
    copy : ndarray
        A copy of their labels, for a layer.
    trouble : str
        Reason why no journal is written; empty if one is.
    """

    session: TrackSession
    copy: NDArray[np.int32]
    trouble: str = ""


def describe_tracks(table: TrackTable) -> tuple[str, "Severity"]:
    """Return a message about tracks that were opened, with its severity."""
    frames = np.unique(table.frame)
    if len(frames) == 1:
        return (
            f"All objects are in frame {frames[0]}, so there is nothing to link. Label the other "
            'frames, too: "whole stack" in the Everything dock.',
            "warning",
        )
    tracks, divisions = len(table.spans), len(table.children)
    return (
        f"{tracks} track{'s' if tracks != 1 else ''}, "
        f"{divisions} division{'s' if divisions != 1 else ''}.",
        "info",
    )


def open_tracks(
    source: MovieSource,
    find: Callable[[Progress, ShouldStop], TrackTable],
    saved: SavedTracks | None,
    folder: Path | None,
    report: Progress | None,
    should_stop: ShouldStop,
) -> OpenedTracks:
    """Find the tracks of labels, and begin to record their correction.

    Parameters
    ----------
    source : MovieSource
        The labels.
    find : callable
        Returns the tracks; called with a progress callback.
    saved : SavedTracks or None
        Earlier correction that is restored.
    folder : Path or None
        Folder of the journal; None records nothing.
    report : Progress or None
        Called with frames done and in all, over all passes.
    should_stop : callable
        Polled between frames.

    Raises
    ------
    InputError
        If the tracks have objects that the labels do not have.
    """
    total = PASSES * source.shape[0]

    def reporter(number: int) -> Progress:
        def progress(done: int, frames: int) -> None:
            if report is not None:
                report(number * source.shape[0] + done, total)

        return progress

    table = find(reporter(0), should_stop)
    check_objects(table, source, should_stop)
    data = zeros(source.shape, np.int32)
    relabel_frames(table, source.frame, data, reporter(1), should_stop)
    session = TrackSession(table, data) if saved is None else TrackSession.restore(saved, data)
    session.frames.prepare(reporter(2), should_stop)
    copy = zeros(source.shape, np.int32)
    copy[:] = data
    trouble = ""
    if folder is not None:
        try:
            events = () if saved is None else saved.events
            session.begin_journal(folder, str(source.layer.name), events=events)
        except SeganyError as error:
            trouble = str(error)
    return OpenedTracks(session, copy, trouble)


def check_objects(table: TrackTable, source: MovieSource, should_stop: ShouldStop) -> None:
    """Raise InputError if tracks have objects that the labels of a movie do not have."""
    if table.axes != source.axes:
        raise InputError(
            f"The tracks are of frames with axes {table.axes}, {source.layer.name} has "
            f"{source.axes}."
        )
    for frame in np.unique(table.frame).tolist():
        check(should_stop)
        wanted = table.label[table.rows_at(frame)]
        there = source.frame(frame) if 0 <= frame < source.shape[0] else np.zeros(0, np.int64)
        missing = np.setdiff1d(wanted, there)
        if len(missing):
            raise InputError(
                f"The tracks have an object {missing[0]} in frame {frame}, and "
                f"{source.layer.name} does not; choose the labels that belong to them."
            )
