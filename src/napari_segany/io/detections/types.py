"""Types of imported tables: the image, options, rows, and the objects found."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize

Units = Literal["pixels", "calibrated"]
PlanePosition = Mapping[str, int]
"""Index along axes by their letters."""

MAX_LISTED = 10
"""Rows that a remark names one by one."""


@dataclass(frozen=True)
class TableImage:
    """Image that a table is about.

    Attributes
    ----------
    shape : tuple of int
        (H, W) of a plane.
    axes : mapping
        Length of every other axis by its letter, in the order of the data, channels included.
    pixel_size : mapping
        Size and unit of a pixel, where it is known.
    name : str, optional
        The file's name; says which rows are meant if a table is about several images.
    plane_is_last : bool
        Whether rows and columns are the last two axes of the data.
    """

    shape: tuple[int, int]
    axes: Mapping[str, int] = field(default_factory=dict)
    pixel_size: PixelSize = field(default_factory=dict)
    name: str | None = None
    plane_is_last: bool = True

    @property
    def leading(self) -> dict[str, int]:
        """Lengths of the axes that count planes."""
        return {axis: length for axis, length in self.axes.items() if axis not in "CS"}


@dataclass(frozen=True)
class TableOptions:
    """Options of reading a table, which override its own statements.

    Attributes
    ----------
    dialect : str, optional
        Dialect of the table, by the names of :data:`napari_segany.io.detections.DIALECTS`.
    first_plane : {0, 1}, optional
        Number of the first plane in the table.
    units : {"pixels", "calibrated"}, optional
        Whether lengths are in pixels or in the unit of the image's pixel size.
    """

    dialect: str | None = None
    first_plane: int | None = None
    units: Units | None = None

    def __post_init__(self) -> None:
        if self.first_plane not in (None, 0, 1):
            raise InputError(f"The first plane is 0 or 1, got {self.first_plane!r}.")
        if self.units is not None and self.units not in get_args(Units):
            raise InputError(f"Units are pixels or calibrated, got {self.units!r}.")


@dataclass
class Detection(ShapePrompt):
    """One object of a table, as a prompt.

    Attributes
    ----------
    number : int
        Row of the table, counted from 1 below the header; number of the object if several rows
        make one.
    where : str
        Description of the row, such as "row 2 (line 3)"; lines count as a spreadsheet does.
    id : str
        Name in the table, exactly as it is written; empty without a name.
    place : mapping
        Index of the plane along the image's axes that the table states.
    """

    number: int = 0
    where: str = ""
    id: str = ""
    place: PlanePosition = field(default_factory=dict)

    def lies_in(self, plane: PlanePosition) -> bool:
        """Return True if the object can be in a plane of the image."""
        return all(plane[axis] == n for axis, n in self.place.items())


class RowError(ValueError):
    """Fault of one row, which is skipped."""


@dataclass(frozen=True)
class TableEntry:
    """One object of a table, from one row or several, before its values are checked.

    Attributes
    ----------
    number, where, id
        See :class:`Detection`.
    make : callable
        Returns the prompts, on one plane or several; positions are by the table's own axes. Raises
        :class:`RowError` if a value is wrong.
    """

    number: int
    where: str
    id: str
    make: Callable[[], Sequence[tuple[ShapePrompt, PlanePosition]]]


@dataclass(frozen=True)
class ParsedTable:
    """Table as one dialect parses it.

    Attributes
    ----------
    descriptions : tuple of str
        Description of the interpretation, part by part.
    entries : sequence of TableEntry
        All rows.
    planes : mapping
        Names of the columns that say the plane, by axis; "" is the last axis.
    first_plane : int
        Number of the first plane in the table.
    first_is_known : bool
        Whether the program always counts from there.
    overrides : tuple of str
        Fields of :class:`TableOptions` that would have changed something.
    """

    descriptions: tuple[str, ...]
    entries: Sequence[TableEntry]
    planes: Mapping[str, str] = field(default_factory=dict)
    first_plane: int = 0
    first_is_known: bool = True
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Detections:
    """Objects of a table, with remarks about the rows left out.

    Attributes
    ----------
    found : tuple of Detection
        In the order of the table.
    understood : str
        Description of the interpretation, on one line.
    overrides : tuple of str
        Fields of :class:`TableOptions` that would have changed that.
    count : int
        Number of rows, or groups of rows, about this image.
    ids : tuple of str
        Names of the rows in the table, from the first to the last.
    skipped : tuple of str
        Rows that were left out, each with the reason.
    notes : tuple of str
        Rows that were changed, each with the reason.
    """

    found: tuple[Detection, ...]
    understood: str
    overrides: tuple[str, ...]
    count: int
    ids: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Detection]:
        return iter(self.found)

    def remarks(self) -> list[str]:
        """Return remarks about single rows, on two lines at most."""
        lines = []
        if self.skipped:
            lines.append(
                f"{len(self.skipped)} of {self.count} skipped: {join_first(self.skipped)}."
            )
        if self.notes:
            lines.append(f"{join_first(self.notes)[:1].upper()}{join_first(self.notes)[1:]}.")
        return lines


def join_first(texts: Sequence[str]) -> str:
    """Join the first few of many texts, and the number of the others."""
    rest = len(texts) - MAX_LISTED
    return "; ".join(texts[:MAX_LISTED]) + (f"; and {rest} more" if rest > 0 else "")
