"""Files of journals: lines of JSON that are written at once, locked against other processes."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from filelock import BaseFileLock, FileLock, Timeout
from typing_extensions import TypedDict

from napari_segany.errors import InputError, SeganyError
from napari_segany.session.serialization import Record

FORMAT = 1
ENDING = ".jsonl"
BEGUN = "%Y-%m-%d-%H%M%S"
"""Format of the time that names of journals begin with."""

KEPT = 5
"""Journals kept in a folder; older ones that no session uses are removed."""


class EndRecord(TypedDict):
    """Last line of a session that was closed."""

    closed: Literal[True]


def open_to_append(path: Path) -> IO[str]:
    """Open a journal so that lines can be added."""
    return path.open("a", encoding="utf-8")


class JournalFile:
    """File of a journal that is being written.

    Parameters
    ----------
    folder : Path
        Folder of the journals of this image; created if it does not exist.
    header : dict
        First line: name and shape of the image.
    open_file : callable
        Opens the file to append text to.
    make_lock : callable
        Returns the lock for a path, not acquired yet.

    Attributes
    ----------
    path : Path
        The file.
    """

    def __init__(
        self,
        folder: Path,
        header: Record,
        open_file: Callable[[Path], IO[str]] = open_to_append,
        make_lock: Callable[[Path], BaseFileLock] = FileLock,
    ) -> None:
        name = f"{time.strftime(BEGUN)}-{os.getpid()}-{time.monotonic_ns():x}"
        self.path = folder / (name + ENDING)
        self._open_file, self._make_lock = open_file, make_lock
        try:
            self._lock = self._locked(self.path)
            self._file = open_file(self.path)
        except OSError as error:
            raise _cannot_keep(folder, error) from error
        self.write({"format": FORMAT, **header})

    def move(self, folder: Path) -> None:
        """Move the file into another folder and continue there.

        Raises
        ------
        SeganyError
            If the file cannot be moved; the journal continues in the old folder.
        """
        there = folder / self.path.name
        try:
            lock = self._locked(there)
        except OSError as error:
            raise _cannot_keep(folder, error) from error
        try:
            # Some systems do not move an open file.
            self._file.close()
            try:
                self.path.replace(there)
                self.path, self._lock, lock = there, lock, self._lock
            finally:
                _release(lock)
                self._file = self._open_file(self.path)
        except OSError as error:
            raise _cannot_keep(folder, error) from error

    def is_empty(self) -> bool:
        """Return True if nothing is recorded that is worth keeping."""
        raise NotImplementedError

    def close(self) -> None:
        """Write the last line and close the file; an empty journal is deleted."""
        if self._file.closed:
            return
        self.write({"closed": True})
        self._file.close()
        if self.is_empty():
            self.path.unlink(missing_ok=True)
        _release(self._lock)

    def write(self, line: Record) -> None:
        """Add a line.

        Raises
        ------
        SeganyError
            If the file cannot be written.
        """
        try:
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
            # The operating system keeps the line if this process is killed.
            self._file.flush()
        except (OSError, ValueError) as error:
            # A closed file raises ValueError: it could not be opened again after a move.
            reason = getattr(error, "strerror", None) or error
            raise SeganyError(
                f"{self.path} cannot be written ({reason}); what was done is "
                "in the viewer, but would be lost by a crash."
            ) from error

    def _locked(self, path: Path) -> BaseFileLock:
        """Return the acquired lock of a journal; create its folder, and delete old journals."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_old(path.parent)
        lock = self._make_lock(_lock_of(path))
        lock.acquire(timeout=0)
        return lock


def find_journals(folder: Path) -> list[Path]:
    """Return the journals in a folder that no running session writes to, newest first."""
    return [path for path in _newest_first(folder) if not _in_use(path)]


def begun_at(path: Path) -> datetime:
    """Return the time at which a journal was begun."""
    try:
        return datetime.strptime(path.name[: len(time.strftime(BEGUN))], BEGUN)
    except ValueError:
        return datetime.fromtimestamp(path.stat().st_mtime)


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a journal that are not blank."""
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*" + ENDING), key=lambda path: path.name, reverse=True)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _release(lock: BaseFileLock) -> None:
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)


def _cannot_keep(folder: Path, error: OSError) -> SeganyError:
    return SeganyError(f"The session cannot be kept in {folder} ({error.strerror or error}).")


def _in_use(path: Path) -> bool:
    file = _lock_of(path)
    if not file.exists():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    file.unlink(missing_ok=True)
    return False


def _remove_old(folder: Path) -> None:
    for path in find_journals(folder)[KEPT:]:
        path.unlink(missing_ok=True)
        _lock_of(path).unlink(missing_ok=True)
