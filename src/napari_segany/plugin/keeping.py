"""Journals of sessions on one image: the present one is begun, earlier ones are offered."""

from collections.abc import Callable
from pathlib import Path

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import SeganyError
from napari_segany.plugin.workers import EMBED, Jobs
from napari_segany.session import Session
from napari_segany.session.journal import Story, find_journals, read_journal


class Keeping:
    """Writes down what happens in sessions, and finds what was written down before.

    Parameters
    ----------
    jobs : Jobs
        Images are read, and journals too, in another thread.
    folder : Path or None
        For journals, one folder an image; None keeps nothing.

    Attributes
    ----------
    stories : list of Story
        Earlier sessions on the present image that hold something, the latest first.
    """

    def __init__(self, jobs: Jobs, folder: Path | None) -> None:
        self.jobs, self.folder = jobs, folder
        self.stories: list[Story] = []
        self._session: Session | None = None

    def begin(
        self, session: Session, done: Callable[[], object], failed: Callable[[Exception], None]
    ) -> None:
        """Find out which image this is, and write down what happens from then on."""
        self._session, self.stories = session, []
        folder = self.folder
        if folder is None:
            return

        def find(should_stop: ShouldStop) -> tuple[Path, list[Story]]:
            own = folder / session.source.identity()
            return own, read_stories(own)

        def begin(found: tuple[Path, list[Story]]) -> None:
            if session is self._session:
                own, self.stories = found
                session.begin_journal(own)
                done()

        self.jobs.submit("identity", EMBED, find, begin, failed)

    def end(self) -> None:
        """The session is over."""
        self._session, self.stories = None, []


def read_stories(folder: Path) -> list[Story]:
    """What journals in a folder tell, the latest first; those that tell nothing are left out."""
    found = []
    for path in find_journals(folder):
        try:
            story = read_journal(path)
        except SeganyError:
            continue
        if not story.is_empty:
            found.append(story)
    return found
