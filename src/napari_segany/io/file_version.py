"""Versions of files, which tell whether one is still the one that was opened."""

from dataclasses import dataclass
from pathlib import Path

from napari_segany.errors import InputError


@dataclass(frozen=True)
class Version:
    """Marks by which a file is known again as the one that was opened; all zero if it is gone."""

    size: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "Version":
        """The present one; of a folder, its size says nothing, and its time only a little."""
        try:
            known = path.stat()
        except OSError:
            return cls(0, 0, 0)
        return cls(known.st_size, known.st_mtime_ns, known.st_ino)

    def check(self, path: Path) -> None:
        """Raise InputError if the file is another one by now."""
        now = Version.of(path)
        if now == self:
            return
        became = "was changed"
        if now == Version(0, 0, 0):
            became = "went away"
        elif now.size != self.size:
            became = f"became {'shorter' if now.size < self.size else 'longer'}"
        raise InputError(
            f"{path} {became} while it was read; run it again when nobody writes to it any more."
        )
