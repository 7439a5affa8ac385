"""Export of tracks in the background, as they are at one moment."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.io.tracks.formats import FORMATS, write_tracks
from napari_segany.session.tracks.track_session import TrackSession


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
