"""Whole files or none: every file that this package writes goes through here."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_segany.errors import SeganyError


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of ``path`` that becomes ``path`` if the block succeeds.

    The block makes a file of it, or a folder. Missing parents are made. If the block fails, what
    was at ``path`` stays as it was and nothing else is left behind.

    Raises
    ------
    SeganyError
        If it cannot be written: no permission, disk full, no such place.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _to_disk(temporary)
            _replace(temporary, path)
        finally:
            remove(temporary)
    except OSError as error:
        raise SeganyError(
            f"{path} could not be written ({error.strerror or error}); what was there is "
            "unchanged. Free some space or choose another folder."
        ) from error


def remove(path: Path) -> None:
    """Delete a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Delete what processes that were killed left behind while they wrote ``path``.

    Nobody else may be writing it.
    """
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        remove(left)


def _to_disk(path: Path) -> None:
    """Without this a power cut after the rename could leave an empty file of that name."""
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())


def _replace(temporary: Path, path: Path) -> None:
    if temporary.is_dir() and path.is_dir():
        # A folder cannot be renamed over one that is not empty.
        old = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
        os.replace(path, old)
        os.replace(temporary, path)
        shutil.rmtree(old)
    else:
        os.replace(temporary, path)
