"""Journals: every step of a session is written to a file at once, so that a crash loses nothing.

A journal is a file of lines, each a JSON value. The first line describes the image. Every other
line is one change: objects (null for deleted ones), the active object, and the objects that were
added to the labels or removed from them, in this order. A line in which a committed object is open
again or deleted, but was not removed from the labels, marks a change of the labels target: from
this line on the session writes into other labels. Everything after a line that is cut short or
damaged is ignored.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, NotRequired

from annotated_types import MaxLen
from typing_extensions import TypedDict

from napari_segany.core.image_source import ImageSource
from napari_segany.core.intensity import Limits
from napari_segany.errors import InputError
from napari_segany.schema import from_json
from napari_segany.session.journal_file import EndRecord, JournalFile, begun_at, read_lines
from napari_segany.session.serialization import (
    Number,
    ObjectRecord,
    Record,
    Shape,
    object_from_record,
    object_to_record,
)
from napari_segany.session.session_file import LimitsRecord, limits_from_record, limits_to_record
from napari_segany.session.state import SegmentedObject, State, Step


class HeaderRecord(TypedDict):
    """The image that a session is about."""

    format: Literal[1]
    image: str
    shape: Shape
    limits: NotRequired[LimitsRecord]


def image_header(source: ImageSource) -> Record:
    """Return the description of an image with which its journal begins."""
    header: Record = {"image": source.name, "shape": list(source.shape)}
    # Journals are what they were before there were limits other than percentiles.
    return header if source.limits is None else header | {"limits": limits_to_record(source.limits)}


class LineRecord(TypedDict):
    """A change: objects by number, the active one, and what happened to the labels."""

    objects: dict[Annotated[str, MaxLen(16)], ObjectRecord | None]
    active: Number | None
    labels: list[tuple[Literal["put", "take"], Number]]


@dataclass
class SavedSession:
    """An earlier session, as its journal recorded it.

    Attributes
    ----------
    path : Path
        The journal.
    header : dict
        Description of the image.
    state : State
        The state at the end.
    steps : list of tuple
        ("put", object) and ("take", object): the steps that wrote the labels, in order.
    former : list of list
        The steps of labels that were written into before and left as they were.
    closed : bool
        True if the session was closed.
    damage : str
        Reason why the rest of the journal could not be read; empty if nothing but an incomplete
        last line is missing.
    """

    path: Path
    header: HeaderRecord
    state: State = field(default_factory=State)
    steps: list[Step] = field(default_factory=list)
    former: list[list[Step]] = field(default_factory=list)
    closed: bool = False
    damage: str = ""

    @classmethod
    def of(cls, source: ImageSource, objects: Mapping[int, SegmentedObject]) -> "SavedSession":
        """Return open objects of an image as a session that no journal recorded."""
        header: HeaderRecord = {"format": 1, "image": source.name, "shape": list(source.shape)}
        return cls(Path(), header, State(dict(objects)))

    @property
    def views(self) -> int | None:
        """Views in which the model saw the object that was written last; None if none was."""
        steps = [step for labels in (*self.former, self.steps) for step in labels]
        commits = [each.commit for kind, each in steps if kind == "put" and each.commit is not None]
        return commits[-1].views if commits else None

    @property
    def is_empty(self) -> bool:
        """True if the journal recorded no object and no step."""
        return not (self.state.objects or self.steps or self.former)

    @property
    def limits(self) -> Limits | None:
        """Intensities that the model saw as black and white; None for each plane's own."""
        return limits_from_record(self.header.get("limits"))

    @property
    def begun(self) -> datetime:
        """Time at which the session began."""
        return begun_at(self.path)

    @property
    def count(self) -> int:
        """Number of objects that were open or in any labels at the end."""
        left = sum(1 if what == "put" else -1 for steps in self.former for what, _ in steps)
        return len(self.state.objects) + left

    @property
    def last_number(self) -> int:
        """The largest object number, 0 if there was no object."""
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
        """Raise InputError unless the session was on an image of ``shape``."""
        if self.header["shape"] != list(shape):
            raise InputError(
                f"The journal is of an image of shape {self.header['shape']}, "
                f"this one has shape {list(shape)}."
            )


class Journal(JournalFile):
    """The journal of a running session, locked against other processes."""

    def record(self, before: State, after: State, steps: Sequence[Step]) -> None:
        """Record the change from one state to another, and the steps that wrote the labels."""
        changed: dict[str, Record | None] = {
            str(n): object_to_record(each)
            for n, each in after.objects.items()
            if before.objects.get(n) is not each
        }
        changed |= {str(n): None for n in before.objects if n not in after.objects}
        # An added object is in this or an earlier line, a removed one in an earlier line.
        self.write(
            {
                "objects": changed,
                "active": after.active,
                "labels": [[what, each.id] for what, each in steps],
            }
        )

    def is_empty(self) -> bool:
        """Return True if no object and no step is recorded."""
        return read_journal(self.path).is_empty


OpenJournal = Callable[[Path, Record], Journal]
"""Opens a journal in a folder, with the header given: :class:`Journal` or a stand-in."""


def read_journal(path: Path, shape: Sequence[int] | None = None) -> SavedSession:
    """Read a journal up to its last complete line.

    Parameters
    ----------
    path : Path
        The journal.
    shape : sequence of int, optional
        Shape that the image must have.

    Raises
    ------
    InputError
        If the file is no journal, or one of an image of another shape.
    """
    lines = read_lines(path)
    what = f"The journal {path}"
    header = from_json(HeaderRecord, next(lines, b""), f"{path} is no journal of a session: it")
    saved = SavedSession(path, header)
    if shape is not None:
        saved.check_shape(shape)
    reader = _JournalReader(saved)
    for text in lines:
        try:
            if text.startswith(b'{"closed"'):
                from_json(EndRecord, text, what)
                saved.closed = True
            else:
                reader.add_line(from_json(LineRecord, text, what))
        except InputError as error:
            # A crash may cut the last line short; it has no line end then.
            saved.damage = str(error) if text.endswith(b"\n") else ""
            break
    return saved


class _JournalReader:
    """Rebuilds a saved session from the lines of its journal, one after the other."""

    def __init__(self, saved: SavedSession) -> None:
        self.saved = saved
        # Numbers of objects that are in the labels.
        self._written: set[int] = set()

    def add_line(self, line: LineRecord) -> None:
        """Apply the change that a line records.

        Raises
        ------
        InputError
            If the change is impossible; nothing of it is applied then.
        """
        saved = self.saved
        before = saved.state.objects
        objects = dict(before)
        for name, record in line["objects"].items():
            if record is None and name.isdecimal():
                objects.pop(int(name), None)
            elif record is not None and name == str(record["id"]):
                objects[record["id"]] = object_from_record(record, saved.header["shape"])
            else:
                raise InputError(f"An object named {name!a} has another number.")
        if line["active"] is not None and line["active"] not in objects:
            raise InputError(f"Object {line['active']} is active and not there.")
        steps, written = self._steps(line, before, objects)
        saved.steps += steps
        left = {n for n in written if n not in objects or objects[n].commit is None}
        if left:
            # Objects that are open again lost their labels, because the layer was removed.
            if not left & objects.keys():
                saved.former.append(saved.steps)
            saved.steps, written = [], set()
        self._written = written
        # Numbers increase, so this is the order in which objects were begun.
        saved.state = State(dict(sorted(objects.items())), line["active"])

    def _steps(
        self,
        line: LineRecord,
        before: Mapping[int, SegmentedObject],
        objects: Mapping[int, SegmentedObject],
    ) -> tuple[list[Step], set[int]]:
        """Return the steps of a line, and the numbers of the objects in the labels afterwards."""
        steps: list[Step] = []
        written = set(self._written)
        for step, number in line["labels"]:
            each = (objects if step == "put" else before).get(number)
            if each is None or each.commit is None or (step == "put") == (number in written):
                raise InputError(f"Object {number} cannot be written or taken back there.")
            steps.append((step, each))
            (written.add if step == "put" else written.discard)(number)
        return steps, written
