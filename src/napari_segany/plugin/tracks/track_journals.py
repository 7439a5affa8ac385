"""Journals of corrected tracks on disk: the present one, and earlier ones of the same labels."""

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import ArraySource
from napari_segany.errors import SeganyError
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.transforms import full_data
from napari_segany.plugin.tracks.movie_source import MovieSource
from napari_segany.session.journal_file import find_journals
from napari_segany.session.tracks.track_journal import SavedTracks, read_track_journal


class TrackJournals:
    """Folder of the journals of labels, which are known by their pixels.

    Parameters
    ----------
    jobs : JobQueue
        Queue that reads labels and journals.
    folder : Path or None
        Parent of one folder for each labels; None records nothing.
    found : callable
        Called when the earlier corrections are known.

    Attributes
    ----------
    saved : list of SavedTracks
        Earlier corrections of the chosen labels, the latest first.
    """

    def __init__(self, jobs: JobQueue, folder: Path | None, found: Callable[[], object]) -> None:
        self.jobs, self.folder = jobs, folder
        self.saved: list[SavedTracks] = []
        self._found = found
        self._source: MovieSource | None = None

    def search(self, source: MovieSource | None) -> None:
        """Look for earlier corrections of labels in the background."""
        self.saved, self._source = [], source
        if source is None or self.folder is None:
            return

        def find(should_stop: ShouldStop) -> list[SavedTracks]:
            folder = self.folder_of(source)
            return [] if folder is None else read_saved(folder, source.shape)

        def done(saved: list[SavedTracks]) -> None:
            if self._source is source:
                self.saved = saved
                self._found()

        # Journals are of no use to labels that cannot be read, which linking will report.
        self.jobs.run_beside(find, done, lambda _: None)

    def folder_of(self, source: MovieSource) -> Path | None:
        """Return the folder of the journals of labels, whose pixels are read."""
        if self.folder is None:
            return None
        return self.folder / ArraySource(full_data(source.layer)).identity()


def read_saved(folder: Path, shape: Sequence[int]) -> list[SavedTracks]:
    """Return the readable corrections of labels in a folder, the latest first."""
    found = []
    for path in find_journals(folder):
        try:
            saved = read_track_journal(path, shape)
        except SeganyError:
            continue
        if saved.events:
            found.append(saved)
    return found
