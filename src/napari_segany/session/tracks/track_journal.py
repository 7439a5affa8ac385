"""Journals of corrected tracks: every step is written at once, so that a crash loses nothing.

A journal is a file of lines, each a JSON value. The first one describes the labels, the second one
holds the tracks as they were linked. Every other line is a step, or says that one was undone or
redone. Everything after a line that is cut short or damaged is ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.schema import from_json
from napari_segany.session.journal_file import EndRecord, JournalFile, begun_at, read_lines
from napari_segany.session.serialization import Shape
from napari_segany.session.tracks.changes import Step
from napari_segany.session.tracks.records import (
    StepRecord,
    TableRecord,
    step_from_record,
    step_to_record,
    table_from_record,
    table_to_record,
)

Travel = Literal["undo", "redo"]


class HeaderRecord(TypedDict):
    """The labels whose tracks are corrected."""

    format: Literal[1]
    labels: str
    shape: Shape


class FirstRecord(TypedDict):
    """The tracks as they were linked."""

    table: TableRecord


class StepLine(TypedDict):
    """A step."""

    step: StepRecord


class TravelLine(TypedDict):
    """An undo or redo."""

    go: Travel


@dataclass
class SavedTracks:
    """An earlier correction, as its journal recorded it.

    Attributes
    ----------
    path : Path
        The journal.
    header : dict
        Name and shape of the labels.
    table : TrackTable
        The tracks as they were linked; labels are those of the movie.
    events : list
        Steps, and "undo" and "redo", in order.
    closed : bool
        True if the correction was closed.
    damage : str
        Reason why the rest could not be read; empty if nothing but an incomplete last line is
        missing.
    """

    path: Path
    header: HeaderRecord
    table: TrackTable
    events: list[Step | Travel] = field(default_factory=list)
    closed: bool = False
    damage: str = ""

    @property
    def begun(self) -> datetime:
        """Time at which the correction began."""
        return begun_at(self.path)


class TrackJournal(JournalFile):
    """The journal of a running correction."""

    def record_table(self, table: TrackTable) -> None:
        """Record the tracks as they were linked; the first record."""
        self.write({"table": table_to_record(table)})

    def record_step(self, step: Step) -> None:
        """Record a step."""
        self.write({"step": step_to_record(step)})

    def record_travel(self, direction: Travel) -> None:
        """Record an undo or redo."""
        self.write({"go": direction})

    def is_empty(self) -> bool:
        """Return True if no step is recorded."""
        lines = read_lines(self.path)
        return not any(line.startswith((b'{"step"', b'{"go"')) for line in lines)


def read_track_journal(path: Path, shape: Sequence[int] | None = None) -> SavedTracks:
    """Read a journal up to its last complete line.

    Parameters
    ----------
    path : Path
        The journal.
    shape : sequence of int, optional
        Shape that the labels must have.

    Raises
    ------
    InputError
        If the file is no journal of tracks, or one of labels of another shape.
    """
    lines = read_lines(path)
    what = f"The journal {path}"
    about = f"{path} is no journal of tracks: it"
    header = from_json(HeaderRecord, next(lines, b""), about)
    if shape is not None and header["shape"] != list(shape):
        raise InputError(
            f"The journal is of labels of shape {header['shape']}, these have shape {list(shape)}."
        )
    first = from_json(FirstRecord, next(lines, b""), about)
    saved = SavedTracks(path, header, table_from_record(first["table"]))
    for text in lines:
        try:
            if text.startswith(b'{"closed"'):
                from_json(EndRecord, text, what)
                saved.closed = True
            elif text.startswith(b'{"go"'):
                saved.events.append(from_json(TravelLine, text, what)["go"])
            else:
                line = from_json(StepLine, text, what)
                saved.events.append(step_from_record(line["step"], saved.table))
        except InputError as error:
            # A crash may cut the last line short; it has no line end then.
            saved.damage = str(error) if text.endswith(b"\n") else ""
            break
    return saved
