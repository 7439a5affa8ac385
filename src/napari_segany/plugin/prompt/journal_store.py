"""Journals of sessions on one image: the present one is begun, earlier ones are offered.

An image is known by its pixels, which may take a while to be read. Until then the journal lies in
a folder for images of this likeness: of the same names, files, shapes and types.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import SeganyError
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.session import Session
from napari_segany.session.journal import Journal, SavedSession, find_journals, read_journal

LIKE = "like-"
"""Folders of images whose pixels are not known yet begin so."""


class JournalStore:
    """Writes down what happens in sessions, and finds what was written down before.

    Parameters
    ----------
    jobs : JobQueue
        Images are read, and journals too, in another thread.
    folder : Path or None
        For journals, one folder an image; None keeps nothing.
    found : callable
        Called when earlier sessions are known.
    failed : callable
        Called with what went wrong.

    Attributes
    ----------
    stories : list of SavedSession
        Earlier sessions on the present image that hold something, the latest first.
    """

    def __init__(
        self,
        jobs: JobQueue,
        folder: Path | None,
        found: Callable[[], object],
        failed: Callable[[Exception], object],
    ) -> None:
        self.jobs, self.folder = jobs, folder
        self.stories: list[SavedSession] = []
        self._found, self._failed = found, failed
        self._session: Session | None = None
        self._journal: Journal | None = None
        # Where the present session is kept until its image is known.
        self._like = Path()
        # Where it is kept after its next step, because the image has other pixels by now.
        self._next: Path | None = None
        # Whose image is being identified, and whether it has other pixels since that was begun.
        self._identifying: Session | None = None
        self._again = False
        self._in_trouble = False

    @property
    def is_kept(self) -> bool:
        """Whether the present session is written down."""
        return self._journal is not None and not self._in_trouble

    def begin(self, session: Session, likeness: str) -> None:
        """Write down what happens, and find out which image this is."""
        self.end()
        self._session = session
        if self.folder is None:
            return
        self._like = self.folder / f"{LIKE}{likeness}"
        session.trouble.connect(lambda _: self._on_trouble(session))
        self._begin_journal(self._like)
        self.identify()

    def _on_trouble(self, session: Session) -> None:
        if session is self._session:
            self._in_trouble = True

    def identify(self) -> None:
        """Find out which image this is, at first and when it has other pixels."""
        session, folder, like = self._session, self.folder, self._like
        if session is None or folder is None:
            return
        if self._identifying is session:
            self._again = True
            return
        self._identifying, source = session, session.source

        def find(should_stop: ShouldStop) -> tuple[Path, list[SavedSession]]:
            own = folder / source.identity()
            return own, read_saved_sessions(source.shape, own, like)

        def done(found: tuple[Path, list[SavedSession]]) -> None:
            if self._is_news(session):
                self._take_place(session, *found)

        def failed(error: Exception) -> None:
            if self._is_news(session):
                self._failed(error)

        # Neither the model's work nor "stop" may keep it from being known.
        self.jobs.run_beside(find, done, failed)

    def _is_news(self, session: Session) -> bool:
        """Whether an answer is of the present session; one that is out of date is asked anew."""
        if session is not self._session:
            return False
        self._identifying, again, self._again = None, self._again, False
        if again:
            self.identify()
        return not again

    def _take_place(self, session: Session, own: Path, stories: list[SavedSession]) -> None:
        """The image is known."""
        self.stories, self._next = stories, None
        here = own if self._journal is None else self._journal.path.parent
        if here == self._like or not session.is_begun:
            self._move(own)
        elif here != own:
            # What was done so far is about the pixels before, and stays with them.
            self._next = own
        self._found()

    def follow(self) -> None:
        """A step was taken."""
        if self._next is not None:
            folder, self._next = self._next, None
            self._begin_journal(folder)

    def end(self) -> None:
        """The session is over, and its journal closed."""
        if self._journal is not None:
            _remove_if_empty(self._journal.path.parent)
        self._session = self._identifying = self._journal = self._next = None
        self.stories = []
        self._again = self._in_trouble = False

    def _begin_journal(self, folder: Path) -> None:
        assert self._session is not None
        try:
            self._journal = self._session.begin_journal(folder)
        except SeganyError as error:
            self._failed(error)

    def _move(self, folder: Path) -> None:
        if self._journal is not None and folder != self._journal.path.parent:
            before = self._journal.path.parent
            try:
                self._journal.move(folder)
            except SeganyError as error:
                self._failed(error)
            _remove_if_empty(before)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def read_saved_sessions(shape: Sequence[int], *folders: Path) -> list[SavedSession]:
    """Stories that journals in folders tell of an image of ``shape``, the latest first.

    Those that tell nothing, or cannot be read, are left out.
    """
    found = []
    paths = [path for folder in folders for path in find_journals(folder)]
    for path in sorted(paths, key=lambda path: path.name, reverse=True):
        try:
            story = read_journal(path, shape)
        except SeganyError:
            continue
        if not story.is_empty:
            found.append(story)
    return found
