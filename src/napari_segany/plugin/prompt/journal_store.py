"""Journals of the sessions on an image: the present session is recorded, earlier ones are found.

An image is identified by its pixels, which may take long to read. Until then the journal is in a
folder for images of equal names, files, shapes and types.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import SeganyError
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.session import Session
from napari_segany.session.journal import Journal, OpenJournal, SavedSession, read_journal
from napari_segany.session.journal_file import find_journals

LIKE = "like-"
"""Prefix of folders for images that are not identified yet."""


class JournalStore:
    """Records sessions in journals, and finds the journals of earlier ones.

    Parameters
    ----------
    jobs : JobQueue
        Queue that reads images and journals in another thread.
    folder : Path or None
        Parent of one folder an image; None records nothing.
    found : callable
        Called when the earlier sessions are known.
    failed : callable
        Called with an error.
    open_journal : callable
        Opens a journal in a folder; see :meth:`Session.begin_journal`.

    Attributes
    ----------
    saved : list of SavedSession
        Earlier sessions on the present image that are not empty, the latest first.
    """

    def __init__(
        self,
        jobs: JobQueue,
        folder: Path | None,
        found: Callable[[], object],
        failed: Callable[[Exception], object],
        open_journal: OpenJournal = Journal,
    ) -> None:
        self.jobs, self.folder = jobs, folder
        self._open_journal = open_journal
        self.saved: list[SavedSession] = []
        self._found, self._failed = found, failed
        self._session: Session | None = None
        self._journal: Journal | None = None
        # Folder of the journal until the image is identified.
        self._like = Path()
        # Folder of a new journal from the next step on, because the image has other pixels.
        self._next: Path | None = None
        # Session whose image is being identified; True if its pixels have changed meanwhile.
        self._identifying: Session | None = None
        self._again = False
        self._in_trouble = False

    @property
    def is_recording(self) -> bool:
        """True if the present session is recorded."""
        return self._journal is not None and not self._in_trouble

    @property
    def path(self) -> Path | None:
        """The journal of the present session; None if it is not recorded."""
        return self._journal.path if self._journal is not None and self.is_recording else None

    def begin(self, session: Session, likeness: str, before: Path | None = None) -> None:
        """Record a session, and identify its image.

        Parameters
        ----------
        session : Session
            The session.
        likeness : str
            Hash of what is known of its image without its pixels.
        before : Path, optional
            Closed journal of the same session, in place of which it is recorded.
        """
        self.end()
        self._session = session
        if self.folder is None:
            return
        self._like = self.folder / f"{LIKE}{likeness}"
        session.trouble.connect(lambda _: self._on_trouble(session))
        self._begin_journal(self._like)
        if before is not None and self._journal is not None:
            # All that it recorded is in the new one.
            before.unlink(missing_ok=True)
        self.identify()

    def _on_trouble(self, session: Session) -> None:
        if session is self._session:
            self._in_trouble = True

    def identify(self) -> None:
        """Identify the image by its pixels, at first and after they have changed."""
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
            if self._is_current(session):
                self._set_folder(session, *found)

        def failed(error: Exception) -> None:
            if self._is_current(session):
                self._failed(error)

        # Neither inference nor "stop" may delay or prevent it.
        self.jobs.run_beside(find, done, failed)

    def _is_current(self, session: Session) -> bool:
        """Return True if a result is of the present session; repeat an outdated identification."""
        if session is not self._session:
            return False
        self._identifying, again, self._again = None, self._again, False
        if again:
            self.identify()
        return not again

    def _set_folder(self, session: Session, own: Path, saved: list[SavedSession]) -> None:
        """Continue in the folder of the identified image, and offer its earlier sessions."""
        self.saved, self._next = saved, None
        here = own if self._journal is None else self._journal.path.parent
        if here == self._like or not session.is_begun:
            self._move(own)
        elif here != own:
            # The steps so far belong to the pixels before.
            self._next = own
        self._found()

    def on_step(self) -> None:
        """Begin a new journal after a step, if the image has other pixels."""
        if self._next is not None:
            folder, self._next = self._next, None
            self._begin_journal(folder)

    def end(self) -> None:
        """Forget the session, whose journal is closed."""
        if self._journal is not None:
            _remove_if_empty(self._journal.path.parent)
        self._session = self._identifying = self._journal = self._next = None
        self.saved = []
        self._again = self._in_trouble = False

    def _begin_journal(self, folder: Path) -> None:
        assert self._session is not None
        try:
            self._journal = self._session.begin_journal(folder, self._open_journal)
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
    """Return the sessions on an image of ``shape`` from journals in folders, the latest first.

    Empty and unreadable journals are left out.
    """
    found = []
    paths = [path for folder in folders for path in find_journals(folder)]
    for path in sorted(paths, key=lambda path: path.name, reverse=True):
        try:
            saved = read_journal(path, shape)
        except SeganyError:
            continue
        if not saved.is_empty:
            found.append(saved)
    return found
