"""Result records, by content and recipe: the folder ``.segany`` beside the results.

It holds a record of each image that is done or failed, and a folder of finished planes of each
image that is not. Nothing in it decides a result. Deleting it costs the time to compute again, and
an image that was changed since is then taken for another image and refused.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Generic, TypeVar

from filelock import FileLock, Timeout

from napari_segany.errors import InputError, SeganyError
from napari_segany.io.atomic import check_inside, remove, writing
from napari_segany.io.safe_names import restored, shown, storable
from napari_segany.schema import from_json

FOLDER = ".segany"
FORMAT = 2
"""Version of the results. It is raised when the same recipe gives other files than before, so that
they are made again. Records of earlier formats are still read: they tell which results are this
package's own."""

TREE = "folders"
"""Folder for the records of images that lie in subfolders of the inputs."""

_SHA256 = re.compile(r"[0-9a-f]{64}|")
_AREA = re.compile(r"\d{1,18}")
_SCORE = re.compile(r"-?\d{1,3}\.\d\d")


@dataclass(frozen=True)
class Fingerprint:
    """Size and modification time of a file, which change when the file does."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, files: Sequence[Path]) -> "Fingerprint":
        """Return the fingerprint of several files together; of folders all files count.

        Raises
        ------
        OSError
            If a file does not exist.
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
    """Return the sha256 of the content of files, and of the names of files in folders.

    Raises
    ------
    InputError
        If a file cannot be read.
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
class Output(Fingerprint):
    """A result file as it was written: size, time, and sha256 of its content."""

    sha256: str

    def __post_init__(self) -> None:
        _check_hash(self.sha256)


def _check_hash(value: str) -> None:
    if not _SHA256.fullmatch(value):
        raise InputError(f"a sha256 is 64 hexadecimal digits, got {value[:80]!r}.")


@dataclass(frozen=True)
class Summary:
    """The summary of a finished image for the report.

    Attributes
    ----------
    understood : str
        Axes, size, type and pixel size in words.
    objects, planes : int
        The number of objects, and of planes.
    pictured : str
        The plane that the overlay shows; empty if there is only one.
    area_histogram, score_histogram : dict
        Number of objects by area (bins are powers of two) and by predicted IoU (bins of 0.02);
        the keys are the lower edges of the bins as text.
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

    def __post_init__(self) -> None:
        histograms = ((self.area_histogram, _AREA), (self.score_histogram, _SCORE))
        bins = [(key, known) for counts, known in histograms for key in counts]
        if bad := [key for key, known in bins if not known.fullmatch(key)]:
            raise InputError(f"a histogram has no bin called {bad[0][:80]!r}.")
        counts = [self.objects, self.planes, *self.per_plane]
        counts += [*self.area_histogram.values(), *self.score_histogram.values()]
        if min(counts) < 0:
            raise InputError("nothing is counted below 0.")


@dataclass(frozen=True)
class Record:
    """The record of one image.

    Attributes
    ----------
    image : str
        Location of the image, escaped for display.
    key : str
        Hash of content and recipe; empty for one that failed.
    content : str
        Hash of the content.
    stamp : Fingerprint or None
        Fingerprint of the image when it was hashed.
    outputs : dict
        The results by file name, without folders.
    error : str
        The error; empty if there is none.
    summary : Summary
        The summary for the report.
    thumbnail : str
        Base64 of a small JPEG.
    failed_planes : list of str
        Planes that cannot be read and are empty in the results, each with the reason; the same
        command tries them again.
    notes : list of str
        Further remarks, for example that a plane is blank.
    format : int
        See :data:`FORMAT`.
    """

    image: str
    key: str = ""
    content: str = ""
    stamp: Fingerprint | None = None
    outputs: dict[str, Output] = field(default_factory=dict)
    error: str = ""
    summary: Summary = field(default_factory=Summary)
    thumbnail: str = ""
    failed_planes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not 1 <= self.format <= FORMAT:
            raise InputError(f"the record has format {self.format}; 1 to {FORMAT} are read.")
        _check_hash(self.key)
        _check_hash(self.content)
        if bad := [name for name in self.outputs if not is_plain(name)]:
            raise InputError(f"{bad[0][:80]!r} is no plain name of a file.")
        try:
            base64.b64decode(self.thumbnail, validate=True)
        except ValueError as error:
            raise InputError(f"the thumbnail is no base64 ({error}).") from error


def _renamed(record: Record, rename: Callable[[str], str]) -> Record:
    """Return a record with its outputs renamed."""
    return replace(record, outputs={rename(name): each for name, each in record.outputs.items()})


def is_plain(name: str) -> bool:
    """Return True for a file name without folders, on any system, that is not reserved."""
    return (
        name.casefold() not in ("", ".", "..", FOLDER)
        and name == PurePosixPath(name).name == PureWindowsPath(name).name
        and "\0" not in name
    )


def describe_output(path: Path) -> Output:
    """Return size, time and hash of a result."""
    return Output(**asdict(Fingerprint.of([path])), sha256=hash_content([path]))


def is_unchanged(path: Path, known: Output | None) -> bool:
    """Return True if a result has the content that was written, whatever its time."""
    if known is None or path.is_symlink():
        return False
    try:
        fingerprint = Fingerprint.of([path])
    except OSError:
        return False
    if fingerprint == Fingerprint(known.size, known.mtime_ns):
        return True
    return fingerprint.size == known.size and hash_content([path]) == known.sha256


def image_location(path: Path) -> str:
    """Return the location of an image as records hold it."""
    return shown(os.path.realpath(path))


class ResultStore:
    """The store of records and finished planes of a folder of results.

    Parameters
    ----------
    output : Path
        The folder with the results.
    kind : str
        Name of the product, which has a folder of its own; empty for labels.
    """

    def __init__(self, output: Path, kind: str = "") -> None:
        self.output, self.folder = output, output / FOLDER / kind

    def path(self, name: str, ending: str) -> Path:
        """Return the path of a file or folder of an image; names may contain slashes.

        Raises
        ------
        SeganyError
            If a link would lead out of the folder with the results.
        """
        folder = self.folder / TREE if "/" in name else self.folder
        path = folder / f"{name}{ending}"
        check_inside(self.output, path)
        return path

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """Lock an image against other processes; give False if another process holds it."""
        path = self.path(name, ".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
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
        """Read the record of an image; return None if there is none, or it is invalid."""
        try:
            path = self.path(name, ".json")
            record = from_json(Record, path.read_bytes(), f"The record {path}")
            record = _renamed(record, restored)
        except (OSError, SeganyError):
            return None
        # The names of results begin with that of the image; other files are not ours.
        beginning = f"{PurePosixPath(name).name}_"
        return record if all(each.startswith(beginning) for each in record.outputs) else None

    def write(self, name: str, record: Record) -> None:
        """Write the record of an image."""
        with writing(self.path(name, ".json")) as temporary:
            kept = asdict(_renamed(record, storable))
            temporary.write_text(json.dumps(kept) + "\n", "utf-8")

    def all(self) -> dict[str, Record]:
        """Return every record by name of the image."""
        tree = self.folder / TREE
        paths = [(p, self.folder) for p in self.folder.glob("*.json")]
        paths += [(p, tree) for p in tree.rglob("*.json")]
        names = sorted(p.relative_to(at).as_posix().removesuffix(".json") for p, at in paths)
        found = {name: self.read(name) for name in names}
        return {name: record for name, record in found.items() if record is not None}


T = TypeVar("T")


@dataclass(frozen=True)
class _Header:
    """The image and the recipe of the finished planes."""

    key: str
    recipe: str
    content: str


class PlaneCheckpoint(Generic[T]):
    """The finished planes of one image whose results are not written.

    Parameters
    ----------
    folder : Path
        The folder of the planes.
    decode : callable
        Decodes the bytes of a plane; raises SeganyError if they are incomplete.
    """

    def __init__(self, folder: Path, decode: Callable[[bytes], T]) -> None:
        self.folder, self.decode = folder, decode

    def resume(self, key: str) -> str | None:
        """Return the settled recipe of the planes; None if they have another key."""
        header = self._header()
        return header.recipe if header is not None and header.key == key else None

    def _header(self) -> _Header | None:
        path = self.folder / "header.json"
        with suppress(OSError, InputError):
            return from_json(_Header, path.read_bytes(), str(path))
        return None

    def is_writing(self, content: str) -> bool:
        """Return True if the writing of results of this content began and did not end."""
        header = self._header()
        is_same = header is not None and header.content == content
        return is_same and (self.folder / "writing").is_file()

    def note_writing(self) -> None:
        """Mark that the writing of results begins."""
        with writing(self.folder / "writing") as temporary:
            temporary.touch()

    def note_written(self) -> None:
        """Mark that all results are written."""
        remove(self.folder / "writing")

    def begin(self, key: str, recipe: str, content: str) -> None:
        """Delete all planes and start with a key, a settled recipe, and the content's hash."""
        was_writing = self.is_writing(content)
        remove(self.folder)
        with writing(self.folder / "header.json") as temporary:
            temporary.write_text(json.dumps(asdict(_Header(key, recipe, content))), "utf-8")
        if was_writing:
            self.note_writing()

    def _path(self, number: int) -> Path:
        return self.folder / f"plane_{number:06d}.npz"

    def has(self, number: int) -> bool:
        """Return True if a plane is finished; delete a plane that cannot be read."""
        path = self._path(number)
        if not path.is_file():
            return False
        try:
            self.load(number)
        except SeganyError:
            path.unlink()
            return False
        return True

    def save(self, number: int, content: bytes) -> None:
        """Write a finished plane to disk."""
        with writing(self._path(number)) as temporary:
            temporary.write_bytes(content)

    def load(self, number: int) -> T:
        """Read a finished plane."""
        try:
            return self.decode(self._path(number).read_bytes())
        except OSError as error:
            raise SeganyError(f"{self._path(number)} cannot be read ({error}).") from error

    def clear(self) -> None:
        """Delete all planes."""
        remove(self.folder)
