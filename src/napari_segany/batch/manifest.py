"""What was done, by content and recipe: the folder ``.segany`` beside the results.

For each image there is a record once it is done or failed, and a folder of finished planes while
it is not. Nothing in there decides a result; deleting it costs time only.
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
"""Raised when the same recipe gives other files than before, so that they are made again. Records
of formats before are read, too: they tell which results are this package's own."""

TREE = "folders"
"""Folder with the records of images that lie in folders of their own."""

_SHA256 = re.compile(r"[0-9a-f]{64}|")
_AREA = re.compile(r"\d{1,18}")
_SCORE = re.compile(r"-?\d{1,3}\.\d\d")


@dataclass(frozen=True)
class Fingerprint:
    """What tells without reading that a file was not touched: its size and time."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, files: Sequence[Path]) -> "Fingerprint":
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
class Output(Fingerprint):
    """A result as it was written: size, time, and sha256 of its content."""

    sha256: str

    def __post_init__(self) -> None:
        _check_hash(self.sha256)


def _check_hash(value: str) -> None:
    if not _SHA256.fullmatch(value):
        raise InputError(f"a sha256 is 64 hexadecimal digits, got {value[:80]!r}.")


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
    """What became of one image.

    Attributes
    ----------
    image : str
        Where the image lay, as it is shown.
    key : str
        Hash of content and recipe; empty for one that failed.
    content : str
        Hash of the content.
    stamp : Fingerprint or None
        Size and time of the image when it was hashed.
    outputs : dict
        Each result by its file name, which holds no folder.
    error : str
        Why it failed; empty if it did not.
    summary : Summary
        What was found.
    thumbnail : str
        Base64 of a small JPEG.
    failed_planes : list of str
        Planes that are empty because they could not be read, each with the reason; the same
        command tries them again.
    notes : list of str
        What else a person should know, for example that a plane is blank.
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
    """A record with its outputs under other names."""
    return replace(record, outputs={rename(name): each for name, each in record.outputs.items()})


def is_plain(name: str) -> bool:
    """True for the name of a file in a folder, on any system, that is none of the package's own."""
    return (
        name.casefold() not in ("", ".", "..", FOLDER)
        and name == PurePosixPath(name).name == PureWindowsPath(name).name
        and "\0" not in name
    )


def describe_output(path: Path) -> Output:
    """Size, time and hash of a result."""
    return Output(**asdict(Fingerprint.of([path])), sha256=hash_content([path]))


def is_unchanged(path: Path, known: Output | None) -> bool:
    """Whether a result is still what was written; its time may have changed by copying."""
    if known is None or path.is_symlink():
        return False
    try:
        stamp = Fingerprint.of([path])
    except OSError:
        return False
    if stamp == Fingerprint(known.size, known.mtime_ns):
        return True
    return stamp.size == known.size and hash_content([path]) == known.sha256


def where(path: Path) -> str:
    """The place of an image, as records say it."""
    return shown(os.path.realpath(path))


class ResultStore:
    """Records and finished planes of the images whose results go to one folder.

    Parameters
    ----------
    output : Path
        The folder with the results.
    kind : str
        What is made, where it is not labels; has a folder of its own.
    """

    def __init__(self, output: Path, kind: str = "") -> None:
        self.output, self.folder = output, output / FOLDER / kind

    def path(self, name: str, ending: str) -> Path:
        """A file or folder of the image; one in a folder of the inputs has a name with slashes.

        Raises
        ------
        SeganyError
            If it would not lie in the folder with the results, because of a link in there.
        """
        folder = self.folder / TREE if "/" in name else self.folder
        path = folder / f"{name}{ending}"
        check_inside(self.output, path)
        return path

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """Keep other processes from an image; gives whether nobody else has it."""
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
        """The record of an image; None if there is none, or it cannot be used."""
        try:
            path = self.path(name, ".json")
            record = from_json(Record, path.read_bytes(), f"The record {path}")
            record = _renamed(record, restored)
        except (OSError, SeganyError):
            return None
        # Results are called after the image; whatever else is listed is not ours.
        beginning = f"{PurePosixPath(name).name}_"
        return record if all(each.startswith(beginning) for each in record.outputs) else None

    def write(self, name: str, record: Record) -> None:
        """Note what became of an image."""
        with writing(self.path(name, ".json")) as temporary:
            kept = asdict(_renamed(record, storable))
            temporary.write_text(json.dumps(kept) + "\n", "utf-8")

    def all(self) -> dict[str, Record]:
        """Every record, by name of the image."""
        tree = self.folder / TREE
        paths = [(p, self.folder) for p in self.folder.glob("*.json")]
        paths += [(p, tree) for p in tree.rglob("*.json")]
        names = sorted(p.relative_to(at).as_posix().removesuffix(".json") for p, at in paths)
        found = {name: self.read(name) for name in names}
        return {name: record for name, record in found.items() if record is not None}


T = TypeVar("T")


@dataclass(frozen=True)
class _Header:
    """The image and the recipe that finished planes are about."""

    key: str
    recipe: str
    content: str


class PlaneCheckpoint(Generic[T]):
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
        header = self._header()
        return header.recipe if header is not None and header.key == key else None

    def _header(self) -> _Header | None:
        path = self.folder / "header.json"
        with suppress(OSError, InputError):
            return from_json(_Header, path.read_bytes(), str(path))
        return None

    def is_writing(self, content: str) -> bool:
        """True if results of this content began to be written, so that some may be there alone."""
        header = self._header()
        begun = header is not None and header.content == content
        return begun and (self.folder / "writing").is_file()

    def note_writing(self) -> None:
        """Note that results are written from now on."""
        with writing(self.folder / "writing") as temporary:
            temporary.touch()

    def note_written(self) -> None:
        """Note that all results are there."""
        remove(self.folder / "writing")

    def begin(self, key: str, recipe: str, content: str) -> None:
        """Start anew, with the hash of the image's content."""
        was_writing = self.is_writing(content)
        remove(self.folder)
        with writing(self.folder / "header.json") as temporary:
            temporary.write_text(json.dumps(asdict(_Header(key, recipe, content))), "utf-8")
        if was_writing:
            self.note_writing()

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
