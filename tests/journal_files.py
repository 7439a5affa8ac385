"""Journals whose files a test can let go of, as a crash does, or fill, as a full disk does."""

import io
from pathlib import Path
from typing import Any

from filelock import FileLock

from napari_segany.session.journal import Journal


class JournalFiles:
    """Opens journals; give :meth:`open_journal` to a session.

    Attributes
    ----------
    full : bool
        Whether nothing can be written any more.
    """

    def __init__(self) -> None:
        self.full = False
        self._files: list[Any] = []
        self._locks: list[FileLock] = []

    def open_journal(self, folder: Path, header: dict[str, Any]) -> Journal:
        """Open a journal in a folder."""
        return Journal(folder, header, self._open_file, self._make_lock)

    def crash(self) -> None:
        """Let go of files and locks as the end of the process would."""
        for file in self._files:
            file.close()
        for lock in self._locks:
            lock.release()

    def _open_file(self, path: Path) -> Any:
        self._files.append(_File(path, self))
        return self._files[-1]

    def _make_lock(self, path: Path) -> FileLock:
        self._locks.append(FileLock(path))
        return self._locks[-1]


class _File(io.TextIOWrapper):
    def __init__(self, path: Path, files: JournalFiles) -> None:
        super().__init__(path.open("ab"), encoding="utf-8")
        self._journal_files = files

    def write(self, text: str) -> int:
        if self._journal_files.full:
            raise OSError(28, "No space left on device")
        return super().write(text)
