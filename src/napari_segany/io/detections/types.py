"""A table's image, choices that people make beforehand, and the rows that are found in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize

Units = Literal["pixels", "calibrated"]
Place = Mapping[str, int]
"""Index along axes by their letters."""

SHOWN = 10
"""Rows that a line names one by one."""


@dataclass(frozen=True)
class TableImage:
    """The image that a table is about.

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
        """The axes that count planes."""
        return {axis: length for axis, length in self.axes.items() if axis not in "CS"}


@dataclass(frozen=True)
class Choices:
    """Choices that are not left to the table.

    Attributes
    ----------
    dialect : str, optional
        Which program wrote it, by the names of :data:`napari_segany.io.detections.DIALECTS`.
    first_plane : {0, 1}, optional
        What the table calls the first plane.
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
    """One object to be asked for.

    Attributes
    ----------
    number : int
        Which row of the table it comes from, counted from 1 below the header; where several rows
        make an object, which object it is.
    where : str
        The same in words, such as "row 2 (line 3)"; lines count as a spreadsheet does.
    id : str
        What the table calls it, exactly as it is written there; empty without a name.
    place : mapping
        Index of the plane along the image's axes, as far as the table says.
    """

    number: int = 0
    where: str = ""
    id: str = ""
    place: Place = field(default_factory=dict)

    def lies_in(self, plane: Place) -> bool:
        """True if it may be asked for in a plane of the image."""
        return all(plane[axis] == n for axis, n in self.place.items())


class RowError(ValueError):
    """A fault of one row, which is left out then."""


@dataclass(frozen=True)
class Entry:
    """A row, or rows that belong together, before anything in them is believed.

    Attributes
    ----------
    number, where, id
        See :class:`Detection`.
    make : callable
        What the rows ask for, on one plane or several; places are by the table's own names. Raises
        :class:`RowError` if there is something wrong with them.
    """

    number: int
    where: str
    id: str
    make: Callable[[], Sequence[tuple[ShapePrompt, Place]]]


@dataclass(frozen=True)
class Understood:
    """A table as one dialect understands it.

    Attributes
    ----------
    said : tuple of str
        How the table was understood, part by part.
    entries : sequence of Entry
        All rows.
    planes : mapping
        Names of the columns that say the plane, by axis; "" is the last axis.
    first_plane : int
        What the table calls the first plane.
    first_is_sure : bool
        Whether the program always counts so.
    overrides : tuple of str
        Fields of :class:`Choices` that would have changed something.
    """

    said: tuple[str, ...]
    entries: Sequence[Entry]
    planes: Mapping[str, str] = field(default_factory=dict)
    first_plane: int = 0
    first_is_sure: bool = True
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Detections:
    """The objects of a table, and what was made of the rest of it.

    Attributes
    ----------
    found : tuple of Detection
        In the order of the table.
    understood : str
        How the table was understood, on one line.
    overrides : tuple of str
        Fields of :class:`Choices` that would have changed that.
    count : int
        How many rows, or groups of rows, are about this image.
    ids : tuple of str
        What the table calls its rows, from the first to the last.
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
        """Remarks about single rows, on two lines at most."""
        lines = []
        if self.skipped:
            lines.append(f"{len(self.skipped)} of {self.count} skipped: {several(self.skipped)}.")
        if self.notes:
            lines.append(f"{several(self.notes)[:1].upper()}{several(self.notes)[1:]}.")
        return lines


def several(texts: Sequence[str]) -> str:
    """The first few of many texts, and how many there are besides."""
    rest = len(texts) - SHOWN
    return "; ".join(texts[:SHOWN]) + (f"; and {rest} more" if rest > 0 else "")
