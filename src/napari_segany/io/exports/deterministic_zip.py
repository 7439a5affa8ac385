"""Zip files with the same bytes for the same content."""

import tempfile
import zipfile
from pathlib import Path

from napari_segany.io.exports.plane import IN_MEMORY

_NO_TIME = (1980, 1, 1, 0, 0, 0)
"""Earliest time that a zip file can hold."""


class DeterministicZip:
    """Zip file under construction; memory stays bounded by spilling to disk."""

    def __init__(self) -> None:
        self._spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        self._zip = zipfile.ZipFile(self._spool, "w", zipfile.ZIP_DEFLATED)

    def write(self, name: str, content: bytes) -> None:
        """Add an entry."""
        entry = zipfile.ZipInfo(name, _NO_TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        # Otherwise it depends on the system.
        entry.create_system = 3
        self._zip.writestr(entry, content)

    def save(self, path: Path) -> None:
        """Write all entries to a file; no more can be added."""
        self._zip.close()
        self._spool.seek(0)
        with path.open("wb") as file:
            while chunk := self._spool.read(1 << 20):
                file.write(chunk)

    def close(self) -> None:
        """Delete the temporary file."""
        self._zip.close()
        self._spool.close()
