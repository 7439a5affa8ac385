"""What happens in a session, written down as it happens, so that a crash loses nothing.

A journal is a file of lines, each a JSON value. The first says what image it is about; every other
one what changed: objects (None for those that are gone), the active object, and which objects were
written into the labels or taken back, in that order. Objects that are committed no more, although
they were not taken back, say that from this line on other labels are written into. A line that a
crash cut short is ignored.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_segany.errors import InputError, SeganyError
from napari_segany.session.objects import SegmentedObject, State, Step
from napari_segany.session.records import Record, object_from_record, object_to_record

FORMAT = 1
ENDING = ".jsonl"
KEPT = 5
"""Journals kept of one image; older ones that no one uses are removed."""


@dataclass
class Story:
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
    """

    path: Path
    header: Record
    state: State = field(default_factory=State)
    steps: list[Step] = field(default_factory=list)
    former: list[list[Step]] = field(default_factory=list)
    closed: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it tells of nothing."""
        return not (self.state.objects or self.steps or self.former)

    @property
    def every_object(self) -> list[SegmentedObject]:
        """All objects that there ever were in labels or are now, some of them several times."""
        written = [each for steps in (*self.former, self.steps) for _, each in steps]
        return [*written, *self.state.objects.values()]

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise InputError unless it is about an image of ``shape``."""
        if list(self.header.get("shape", [])) != list(shape):
            raise InputError(
                f"The journal is of an image of shape {self.header.get('shape')}, "
                f"this one has shape {list(shape)}."
            )


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
        name = f"{time.strftime('%Y-%m-%d-%H%M%S')}-{os.getpid()}-{time.monotonic_ns():x}"
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


def read_journal(path: Path) -> Story:
    """What a journal tells, up to its last whole line.

    Raises
    ------
    InputError
        If it is none.
    """
    lines = list(_lines(path))
    if not lines or not isinstance(lines[0], dict) or lines[0].get("format") != FORMAT:
        raise InputError(f"{path} is no journal of a session that this version reads.")
    story = Story(path, lines[0])
    objects: dict[int, SegmentedObject] = {}
    written: set[int] = set()
    active = None
    for line in lines[1:]:
        if line.get("closed"):
            story.closed = True
            continue
        earlier = dict(objects)
        for number, record in line["objects"].items():
            if record is None:
                objects.pop(int(number), None)
            else:
                objects[int(number)] = object_from_record(record)
        active = line["active"]
        for what, number in line["labels"]:
            story.steps.append((what, (objects if what == "put" else earlier)[number]))
            (written.add if what == "put" else written.discard)(number)
        left = {n for n in written if n not in objects or objects[n].commit is None}
        if left:
            # Those that are open again lost their labels, which somebody removed with the layer.
            if not left & objects.keys():
                story.former.append(story.steps)
            story.steps, written = [], set()
    # Numbers grow, so this is the order in which they were begun.
    story.state = State(dict(sorted(objects.items())), active)
    return story


def find_journals(folder: Path) -> list[Path]:
    """Journals in a folder that no running session writes to, newest first."""
    return [path for path in _newest_first(folder) if not _in_use(path)]


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*" + ENDING), key=lambda path: path.name, reverse=True)


def _lines(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            try:
                line: Any = json.loads(text)
            except ValueError:
                # Cut short by a crash; nothing sensible can follow.
                return
            yield line


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
