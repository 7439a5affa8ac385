"""What was done, by content and recipe: the folder ``.segany`` beside the results.

For each image there is a record once it is done or failed, and a folder of finished planes while
it is not. Nothing in there decides a result; deleting it costs time only.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from napari_segany.errors import InputError, SeganyError
from napari_segany.io.atomic import remove, writing

FOLDER = ".segany"
FORMAT = 1
"""Raised when the same recipe gives other files than before, so that they are made again."""


@dataclass(frozen=True)
class Stamp:
    """What tells without reading that a file was not touched: its size and time."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, files: Sequence[Path]) -> "Stamp":
        """Of several files together; folders stand for all that is in them.

        Raises
        ------
        OSError
            If one is not there.
        """
        status = [path.stat() for path in _expand(files)]
        return cls(sum(s.st_size for s in status), max((s.st_mtime_ns for s in status), default=0))


def _expand(files: Sequence[Path]) -> list[Path]:
    return [
        inner
        for path in files
        for inner in ([path] if not path.is_dir() else sorted(path.rglob("*")))
        if inner == path or inner.is_file()
    ]


def hash_content(files: Sequence[Path]) -> str:
    """sha256 over the content of files, and over the names of those in folders.

    Raises
    ------
    InputError
        If one cannot be read.
    """
    total = hashlib.sha256()
    try:
        for path in _expand(files):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            inside = next((f for f in files if f in path.parents), None)
            name = "" if inside is None else path.relative_to(inside).as_posix()
            total.update(name.encode() + b"\0")
            total.update(digest)
    except OSError as error:
        raise InputError(f"{files[0]} cannot be read ({error.strerror or error}).") from error
    return total.hexdigest()


@dataclass(frozen=True)
class Summary:
    """What the report says of an image that is done.

    Attributes
    ----------
    understood : str
        Axes, size, type and pixel size in words.
    objects, planes : int
        How many were found, on how many planes.
    pictured : str
        The plane that the picture shows; empty if there is only one.
    area_histogram, score_histogram : dict
        Objects by area (bins are powers of two) and by predicted IoU (bins of 0.02), the lower end
        of each bin as text with the number of objects.
    per_plane : list of int
        Objects on each plane, in order.
    """

    understood: str = ""
    objects: int = 0
    planes: int = 0
    pictured: str = ""
    area_histogram: dict[str, int] = field(default_factory=dict)
    score_histogram: dict[str, int] = field(default_factory=dict)
    per_plane: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """What became of one image.

    Attributes
    ----------
    image : str
        Where the image lay.
    key : str
        Hash of content and recipe; empty for one that failed.
    content : str
        Hash of the content.
    stamp : dict
        Size and time of the image when it was hashed.
    outputs : dict
        Size, time and sha256 of each result by file name.
    error : str
        Why it failed; empty if it did not.
    summary : Summary
        What was found.
    thumbnail : str
        Base64 of a small JPEG.
    """

    image: str
    key: str = ""
    content: str = ""
    stamp: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""
    summary: Summary = field(default_factory=Summary)
    thumbnail: str = ""


def describe_output(path: Path) -> dict[str, Any]:
    """Size, time and hash of a result."""
    return {**asdict(Stamp.of([path])), "sha256": hash_content([path])}


def is_unchanged(path: Path, known: dict[str, Any]) -> bool:
    """Whether a result is still what was written; its time may have changed by copying."""
    try:
        stamp = asdict(Stamp.of([path]))
    except OSError:
        return False
    if stamp == {name: known.get(name) for name in stamp}:
        return True
    return stamp["size"] == known.get("size") and hash_content([path]) == known.get("sha256")


class Book:
    """Records and finished planes of the images whose results go to one folder.

    Parameters
    ----------
    output : Path
        The folder with the results.
    kind : str
        What is made, where it is not labels; has a folder of its own.
    """

    def __init__(self, output: Path, kind: str = "") -> None:
        self.folder = output / FOLDER / kind

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """Keep other processes from an image; gives whether nobody else has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def read(self, name: str) -> Record | None:
        """What became of an image; None if nothing did, or the record cannot be read."""
        try:
            values = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                return None
            return Record(**{**values, "summary": Summary(**values["summary"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, name: str, record: Record) -> None:
        """Note what became of an image."""
        with writing(self.folder / f"{name}.json") as temporary:
            temporary.write_text(json.dumps({"format": FORMAT, **asdict(record)}) + "\n", "utf-8")

    def all(self) -> dict[str, Record]:
        """Every record, by name of the image."""
        names = sorted(p.stem for p in self.folder.glob("*.json"))
        found = {name: self.read(name) for name in names}
        return {name: record for name, record in found.items() if record is not None}


T = TypeVar("T")


class Work(Generic[T]):
    """The finished planes of one image that is not done.

    Parameters
    ----------
    folder : Path
        Where they lie.
    decode : callable
        Makes a plane of its bytes, or raises SeganyError if they are not whole.
    """

    def __init__(self, folder: Path, decode: Callable[[bytes], T]) -> None:
        self.folder, self.decode = folder, decode

    def take_up(self, key: str) -> str | None:
        """Go on with what lies there: its settled recipe; None if it was about something else."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            header = json.loads((self.folder / "header.json").read_text(encoding="utf-8"))
            if header["key"] == key:
                settled: str = header["recipe"]
                return settled
        return None

    @property
    def exists(self) -> bool:
        """Whether somebody began."""
        return (self.folder / "header.json").is_file()

    def begin(self, key: str, recipe: str) -> None:
        """Start anew."""
        remove(self.folder)
        with writing(self.folder / "header.json") as temporary:
            temporary.write_text(json.dumps({"key": key, "recipe": recipe}), "utf-8")

    def _path(self, number: int) -> Path:
        return self.folder / f"plane_{number:06d}.npz"

    def has(self, number: int) -> bool:
        """Whether a plane is finished; one that cannot be read is not."""
        path = self._path(number)
        if not path.is_file():
            return False
        try:
            self.load(number)
        except SeganyError:
            path.unlink()
            return False
        return True

    def keep(self, number: int, content: bytes) -> None:
        """Put a finished plane on disk."""
        with writing(self._path(number)) as temporary:
            temporary.write_bytes(content)

    def load(self, number: int) -> T:
        """A finished plane."""
        try:
            return self.decode(self._path(number).read_bytes())
        except OSError as error:
            raise SeganyError(f"{self._path(number)} cannot be read ({error}).") from error

    def clear(self) -> None:
        """Delete everything."""
        remove(self.folder)
