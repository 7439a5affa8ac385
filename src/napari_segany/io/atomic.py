"""Atomic writing: every file of this package appears whole or not at all."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_segany.errors import InputError, SeganyError

LONGEST = 255
"""Bytes that a file name may have on the usual file systems."""

_ADDED = len("..") + 12 + len(".tmp")
"""Bytes by which a temporary name is longer."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; move it to ``path`` on success.

    The block makes a file of it, or a folder. Missing parents are made. If the block fails, what
    was at ``path`` stays as it was and nothing else is left behind.

    Raises
    ------
    SeganyError
        If it cannot be written: no permission, disk full, no such place.
    """

    def not_written(reason: str) -> SeganyError:
        return SeganyError(
            f"{path} could not be written ({reason}); what was there is unchanged. Free some space "
            "or choose another folder."
        )

    temporary = _temporary(path)
    with _explained(not_written):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _to_disk(temporary)
            _replace(temporary, path)
        finally:
            remove(temporary)


@contextmanager
def _explained(explain: Callable[[str], SeganyError]) -> Iterator[None]:
    """Raise a plain error, made from the system's reason, in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise explain(error.strerror or str(error)) from error


def remove(path: Path) -> None:
    """Delete a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Delete the temporary files of ``path`` that killed processes left behind.

    No other process may be writing it.
    """
    # No pattern: names may hold stars and brackets.
    beginning, length = f".{path.name}.", len(_temporary(path).name)
    for left in path.parent.iterdir() if path.parent.is_dir() else ():
        name = left.name
        if name.startswith(beginning) and name.endswith(".tmp") and len(name) == length:
            remove(left)


def check_writable(folder: Path) -> None:
    """Raise InputError if no file can be put into a folder; called before computing anything.

    The folder itself is not made. Where it is not there, the one counts that it would be made in.
    """
    folder = Path(os.path.abspath(folder))
    there = next((each for each in (folder, *folder.parents) if os.path.lexists(each)), folder)
    if not there.is_dir():
        raise InputError(f"{there} is a file; -o takes a folder.")

    def not_writable(reason: str) -> InputError:
        return InputError(
            f"Nothing can be written into {folder} ({reason}); free some space, or choose another "
            "folder with -o."
        )

    # Permissions are not enough: disks can be full or mounted for reading only.
    with (
        _explained(not_writable),
        tempfile.NamedTemporaryFile(prefix=".segany.", suffix=".tmp", dir=there),
    ):
        pass


def check_name(path: Path) -> None:
    """Raise InputError if the temporary name of a file is too long for file systems."""
    length = len(os.fsencode(_temporary(path).name))
    if length > LONGEST:
        raise InputError(
            f"The name of the image is too long: {path.name} would be a name of "
            f"{len(os.fsencode(path.name))} bytes, of which {LONGEST - _ADDED} are possible. "
            "Rename the image."
        )


def check_inside(folder: Path, path: Path) -> None:
    """Raise SeganyError if links lead from ``folder`` to somewhere else on the way to ``path``.

    Folders with results come from other people, and a link in one could point anywhere. The folder
    itself may be reached by links.
    """
    for part in (path, *path.parents):
        if part == folder:
            return
        if part.is_symlink():
            raise SeganyError(
                f"{part} is a link, and nothing is written through links inside a folder of "
                "results. Delete it, or choose another folder."
            )


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")


def _to_disk(path: Path) -> None:
    """Flush to disk; without it a power cut after the rename could leave an empty file."""
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())


def _replace(temporary: Path, path: Path) -> None:
    if temporary.is_dir() and path.is_dir():
        # A folder cannot be renamed over one that is not empty.
        old = _temporary(path)
        os.replace(path, old)
        os.replace(temporary, path)
        remove(old)
    else:
        os.replace(temporary, path)
