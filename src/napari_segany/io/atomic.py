"""Whole files or none: every file that this package writes goes through here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_segany.errors import SeganyError
from napari_segany.models.cache import replacing


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of ``path`` that becomes ``path`` if the block succeeds.

    Missing folders are made. If the block fails, an earlier file at ``path`` stays as it was and
    nothing else is left behind.

    Raises
    ------
    SeganyError
        If the file cannot be written: no permission, disk full, no such place.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            yield temporary
            # Without this a power cut after the rename could leave an empty file of that name.
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
    except OSError as error:
        raise SeganyError(
            f"{path} could not be written ({error.strerror or error}); what was there is "
            "unchanged. Free some space or choose another folder."
        ) from error
