"""File versions, which detect that an open file was changed."""

from dataclasses import dataclass
from pathlib import Path

from napari_segany.errors import InputError


@dataclass(frozen=True)
class FileVersion:
    """Version of a file by size, time and inode; all zero if the file is gone."""

    size: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "FileVersion":
        """Return the present version; of a folder, its size and time say little."""
        try:
            known = path.stat()
        except OSError:
            return cls(0, 0, 0)
        return cls(known.st_size, known.st_mtime_ns, known.st_ino)

    def check(self, path: Path) -> None:
        """Raise InputError if the file was changed."""
        now = FileVersion.of(path)
        if now == self:
            return
        became = "was changed"
        if now == FileVersion(0, 0, 0):
            became = "went away"
        elif now.size != self.size:
            became = f"became {'shorter' if now.size < self.size else 'longer'}"
        raise InputError(
            f"{path} {became} while it was read; run it again when nobody writes to it any more."
        )
