"""Export of tracks in the background, as they are at one moment."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import InputError
from napari_segany.io.tracks.formats import FORMATS, write_tracks
from napari_segany.session.tracks.track_session import TrackSession

if TYPE_CHECKING:
    from napari_segany.plugin.shared.dock import Dock


def write_beside(dock: "Dock", session: TrackSession, format: str, path: Path, wait: bool) -> None:
    """Write tracks in the background and show in a dock what became of it.

    Parameters
    ----------
    dock : Dock
        The dock, whose jobs do the work.
    session, format, path
        See :func:`export_tracks`.
    wait : bool
        Return when the file is written, and raise errors of writing.
    """
    failures: list[Exception] = []

    def work(should_stop: ShouldStop) -> Path:
        return export_tracks(session, format, path)

    def failed(error: Exception) -> None:
        failures.append(error)
        dock.message.say_error(error)

    dock.jobs.run_beside(work, lambda found: dock.say(f"Saved as {found}."), failed)
    if wait:
        dock.jobs.wait()
        if failures:
            raise failures[0]


def export_tracks(session: TrackSession, format: str, path: Path) -> Path:
    """Write the tracks of a session, and their labels where the format holds masks.

    Parameters
    ----------
    session : TrackSession
        The tracks; it may be corrected meanwhile, in another thread.
    format : str
        A key of :data:`~napari_segany.io.tracks.formats.FORMATS`.
    path : Path
        File or folder to write.

    Raises
    ------
    InputError
        If the tracks changed while their labels were read; nothing is written then.
    """
    table, data = session.table, session.frames.data

    def load(frame: int) -> NDArray[np.integer]:
        labels: NDArray[np.integer] = data[frame].copy()
        if session.table is not table:
            raise InputError("The tracks changed while they were written; export them again.")
        return labels

    masks = FORMATS[format].needs_labels if format in FORMATS else False
    return write_tracks(format, path, table, load if masks else None, len(data))
