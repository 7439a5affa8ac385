"""What happens in a session, written down as it happens, so that a crash loses nothing.

A journal is a file of lines, each a JSON value. The first says what image it is about; every other
one what changed: objects (None for those that are gone), the active object, and which objects were
written into the labels or taken back, in that order. Objects that are committed no more, although
they were not taken back, say that from this line on other labels are written into. What follows a
line that a crash cut short, or that somebody damaged, is ignored.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import MaxLen
from filelock import FileLock, Timeout
from typing_extensions import TypedDict

from napari_segany.errors import InputError, SeganyError
from napari_segany.schema import from_json
from napari_segany.session.serialization import (
    Number,
    ObjectRecord,
    Record,
    Shape,
    object_from_record,
    object_to_record,
)
from napari_segany.session.state import SegmentedObject, State, Step

FORMAT = 1
ENDING = ".jsonl"
BEGUN = "%Y-%m-%d-%H%M%S"
"""How names of journals begin."""

KEPT = 5
"""Journals kept of one image; older ones that no one uses are removed."""


class HeaderRecord(TypedDict):
    """The image that a session is about."""

    format: Literal[1]
    image: str
    shape: Shape


class LineRecord(TypedDict):
    """A change: objects by number, the active one, and what happened to the labels."""

    objects: dict[Annotated[str, MaxLen(16)], ObjectRecord | None]
    active: Number | None
    labels: list[tuple[Literal["put", "take"], Number]]


class EndRecord(TypedDict):
    """The session was closed."""

    closed: Literal[True]


@dataclass
class SavedSession:
    """What a journal tells.

    Attributes
    ----------
    path : Path
        The journal.
    header : dict
        What the session was about.
    state : State
        At its end.
    steps : list of tuple
        ("put", object) and ("take", object), in order: how the labels came about.
    former : list of list
        The same for labels that were written into before, and left as they were.
    closed : bool
        Whether it was closed properly.
    damage : str
        Why the rest of it could not be read; empty if all was, or only the last line was cut short.
    """

    path: Path
    header: HeaderRecord
    state: State = field(default_factory=State)
    steps: list[Step] = field(default_factory=list)
    former: list[list[Step]] = field(default_factory=list)
    closed: bool = False
    damage: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it tells of nothing."""
        return not (self.state.objects or self.steps or self.former)

    @property
    def begun(self) -> datetime:
        """When the session began."""
        try:
            return datetime.strptime(self.path.name[: len(time.strftime(BEGUN))], BEGUN)
        except ValueError:
            return datetime.fromtimestamp(self.path.stat().st_mtime)

    @property
    def count(self) -> int:
        """Objects in any of its labels, or open, at its end."""
        left = sum(1 if what == "put" else -1 for steps in self.former for what, _ in steps)
        return len(self.state.objects) + left

    @property
    def last_number(self) -> int:
        """The largest number of an object, 0 if there was none."""
        return max((each.id for each in self._every_object()), default=0)

    @property
    def last_commit(self) -> int:
        """The number of the last commit, 0 if there was none."""
        done = (each.commit.order for each in self._every_object() if each.commit is not None)
        return max(done, default=0)

    def _every_object(self) -> Iterator[SegmentedObject]:
        for steps in (*self.former, self.steps):
            yield from (each for _, each in steps)
        yield from self.state.objects.values()

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise InputError unless it is about an image of ``shape``."""
        check_same_shape(self.header, shape)


class Journal:
    """One session's file, which no other process writes to.

    Parameters
    ----------
    folder : Path
        Of the journals of this image; made if need be.
    header : dict
        What the session is about.
    """

    def __init__(self, folder: Path, header: Record) -> None:
        name = f"{time.strftime(BEGUN)}-{os.getpid()}-{time.monotonic_ns():x}"
        self.path = folder / (name + ENDING)
        try:
            self._lock = _locked(self.path)
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise _cannot_keep(folder, error) from error
        self._write({"format": FORMAT, **header})

    def move(self, folder: Path) -> None:
        """Go on in another folder; what is written down goes along.

        Raises
        ------
        SeganyError
            If that cannot be; it goes on where it was.
        """
        there = folder / self.path.name
        try:
            lock = _locked(there)
        except OSError as error:
            raise _cannot_keep(folder, error) from error
        try:
            # Some systems move no file that is open.
            self._file.close()
            try:
                self.path.replace(there)
                self.path, self._lock, lock = there, lock, self._lock
            finally:
                _release(lock)
                self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise _cannot_keep(folder, error) from error

    def record(self, before: State, after: State, steps: Sequence[Step]) -> None:
        """Write down how one state became another, and what that did to the labels."""
        changed: dict[str, Record | None] = {
            str(n): object_to_record(each)
            for n, each in after.objects.items()
            if before.objects.get(n) is not each
        }
        changed |= {str(n): None for n in before.objects if n not in after.objects}
        # What is put is known from the object's latest line, what is taken from an earlier one.
        self._write(
            {
                "objects": changed,
                "active": after.active,
                "labels": [[what, each.id] for what, each in steps],
            }
        )

    def close(self) -> None:
        """End it properly; a journal in which nothing happened is removed."""
        if self._file.closed:
            return
        self._write({"closed": True})
        self._file.close()
        if read_journal(self.path).is_empty:
            self.path.unlink(missing_ok=True)
        _release(self._lock)

    def _write(self, line: Record) -> None:
        try:
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
            # Handed to the system, which keeps it if this process is killed.
            self._file.flush()
        except (OSError, ValueError) as error:
            # A ValueError says that it could not be opened again after it was moved.
            reason = getattr(error, "strerror", None) or error
            raise SeganyError(
                f"{self.path} cannot be written ({reason}); what was done is "
                "in the viewer, but would be lost by a crash."
            ) from error


def read_journal(path: Path, shape: Sequence[int] | None = None) -> SavedSession:
    """What a journal tells, up to its last whole line.

    Parameters
    ----------
    path : Path
        The journal.
    shape : sequence of int, optional
        Of the image that it must be about.

    Raises
    ------
    InputError
        If it is none, or one of an image of another shape.
    """
    lines = _lines(path)
    what = f"The journal {path}"
    header = from_json(HeaderRecord, next(lines, b""), f"{path} is no journal of a session: it")
    if shape is not None:
        check_same_shape(header, shape)
    reading = _Reading(SavedSession(path, header))
    for text in lines:
        try:
            if text.startswith(b'{"closed"'):
                from_json(EndRecord, text, what)
                reading.story.closed = True
            else:
                reading.follow(from_json(LineRecord, text, what))
        except InputError as error:
            # What a crash cut short is the last line, and has no end.
            reading.story.damage = str(error) if text.endswith(b"\n") else ""
            break
    return reading.story


def check_same_shape(header: HeaderRecord, shape: Sequence[int]) -> None:
    """Raise InputError unless a journal is about an image of ``shape``."""
    if header["shape"] != list(shape):
        raise InputError(
            f"The journal is of an image of shape {header['shape']}, "
            f"this one has shape {list(shape)}."
        )


class _Reading:
    """Follows a journal line by line; a line that cannot be is left out as a whole."""

    def __init__(self, story: SavedSession) -> None:
        self.story = story
        self._written: set[int] = set()

    def follow(self, line: LineRecord) -> None:
        """Take up what changed.

        Raises
        ------
        InputError
            If that cannot be; nothing of it is taken up then.
        """
        earlier = self.story.state.objects
        objects = dict(earlier)
        for name, record in line["objects"].items():
            if record is None and name.isdecimal():
                objects.pop(int(name), None)
            elif record is not None and name == str(record["id"]):
                objects[record["id"]] = object_from_record(record, self.story.header["shape"])
            else:
                raise InputError(f"An object named {name!a} has another number.")
        if line["active"] is not None and line["active"] not in objects:
            raise InputError(f"Object {line['active']} is active and not there.")
        steps, written = self._steps(line, earlier, objects)
        story = self.story
        story.steps += steps
        left = {n for n in written if n not in objects or objects[n].commit is None}
        if left:
            # Those that are open again lost their labels, which somebody removed with the layer.
            if not left & objects.keys():
                story.former.append(story.steps)
            story.steps, written = [], set()
        self._written = written
        # Numbers grow, so this is the order in which they were begun.
        story.state = State(dict(sorted(objects.items())), line["active"])

    def _steps(
        self,
        line: LineRecord,
        earlier: Mapping[int, SegmentedObject],
        objects: Mapping[int, SegmentedObject],
    ) -> tuple[list[Step], set[int]]:
        """Steps that the labels took, and who is in them afterwards."""
        steps: list[Step] = []
        written = set(self._written)
        for how, number in line["labels"]:
            each = (objects if how == "put" else earlier).get(number)
            if each is None or each.commit is None or (how == "put") == (number in written):
                raise InputError(f"Object {number} cannot be written or taken back there.")
            steps.append((how, each))
            (written.add if how == "put" else written.discard)(number)
        return steps, written


def find_journals(folder: Path) -> list[Path]:
    """Journals in a folder that no running session writes to, newest first."""
    return [path for path in _newest_first(folder) if not _in_use(path)]


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*" + ENDING), key=lambda path: path.name, reverse=True)


def _lines(path: Path) -> Iterator[bytes]:
    """Lines of a journal; those with nothing in them are left out."""
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _locked(path: Path) -> FileLock:
    """The lock of a journal that is to be in a folder, which is made and cleared of old ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_old(path.parent)
    lock = FileLock(_lock_of(path))
    lock.acquire(timeout=0)
    return lock


def _release(lock: FileLock) -> None:
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
