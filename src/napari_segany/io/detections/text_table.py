"""Text tables: encodings, separators, decimal commas, and cells by the column's name."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from napari_segany.errors import InputError
from napari_segany.io.detections.types import RowError

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
SEPARATORS = ("\t", ";", ",")
"""Separators of cells, the most certain first."""

HEADERS = 4
"""Number of first lines among which the header is searched."""


def read_text(path: Path) -> str:
    """Return the text of a file in any encoding that programs write tables in.

    Raises
    ------
    InputError
        If it is no text.
    """
    content = path.read_bytes()
    if content.startswith(_WORKBOOKS):
        raise InputError(f"{path} is a workbook or an archive, no text; save the sheet as CSV.")
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    # Every other byte is zero, or nearly so; one that is by itself is damage.
    if encoding is None and 4 * content[:1000].count(0) > len(content[:1000]):
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    for each in [encoding] if encoding else ["utf-8", "cp1252", "latin-1"]:
        try:
            text = content.decode(each)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InputError(f"{path} is no text; save the table as CSV in UTF-8.")


@dataclass(frozen=True)
class Row:
    """One row below the header.

    Attributes
    ----------
    number : int
        From 1.
    line : int
        As a spreadsheet numbers it, the header included.
    cells : mapping
        Text by the column's name in lower case.
    fault : str
        Fault of the row as a whole; empty without one.
    comma : bool
        Whether numbers have decimal commas.
    """

    number: int
    line: int
    cells: Mapping[str, str]
    fault: str = ""
    comma: bool = False

    @property
    def where(self) -> str:
        """Description of the row."""
        return f"row {self.number} (line {self.line})"

    def text(self, column: str) -> str:
        """Return a cell as it is written, empty if there is none."""
        return self.cells.get(column.lower(), "")

    def value(self, column: str) -> float:
        """Return a cell as a number; raise :class:`RowError` if it is none."""
        if self.fault:
            raise RowError(self.fault)
        text = self.text(column)
        number = to_number(text, self.comma)
        if number is None:
            raise RowError(f"{column} is {f'{text[:20]!r}, no number' if text else 'empty'}")
        return number

    def values(self, columns: Sequence[str]) -> list[float]:
        """Return several cells as numbers."""
        return [self.value(column) for column in columns]


@dataclass(frozen=True)
class Sheet:
    """Table with a header.

    Attributes
    ----------
    path : Path
        The file.
    names : tuple of str
        The header's cells.
    rows : tuple of Row
        Rows below the header.
    decimal_comma : bool
        Whether numbers have decimal commas.
    """

    path: Path
    names: tuple[str, ...]
    rows: tuple[Row, ...]
    decimal_comma: bool = False

    @cached_property
    def columns(self) -> frozenset[str]:
        """Names in lower case."""
        return frozenset(name.lower() for name in self.names)

    def has(self, *columns: str) -> bool:
        """Return True if all these columns exist, in any case."""
        return self.columns.issuperset(column.lower() for column in columns)

    def first_filled(self, columns: Iterable[str]) -> str | None:
        """Return the first of some columns that exists and has values, as it is spelled."""
        for column in columns:
            if self.has(column) and any(row.text(column) for row in self.rows):
                return self.spelling(column)
        return None

    def spelling(self, column: str) -> str:
        """Return a column's name as it is spelled in the header."""
        return next(name for name in self.names if name.lower() == column.lower())

    def require(self, columns: Sequence[str], what: str) -> None:
        """Raise InputError unless all columns exist exactly once."""
        missing = [column for column in columns if not self.has(column)]
        if missing:
            raise InputError(
                f"{self.path} is no {what}: it has no column {missing[0]}; its columns are "
                f"{self.described}."
            )
        times = Counter(name.lower() for name in self.names)
        twice = [column for column in columns if times[column.lower()] > 1]
        if twice:
            raise InputError(
                f"{self.path} has {times[twice[0].lower()]} columns {twice[0]}, so it cannot be "
                "known which is meant. Rename or delete all but one."
            )

    @property
    def described(self) -> str:
        """Names of the first columns, as text."""
        shown = ", ".join(repr(name) if name != name.strip() or not name else name
                          for name in self.names[:20])  # fmt: skip
        return shown + (f" and {len(self.names) - 20} more" if len(self.names) > 20 else "")

    def numbers(self, column: str) -> list[float]:
        """Return all cells of a column that are numbers."""
        values = (to_number(row.text(column), self.decimal_comma) for row in self.rows)
        return [value for value in values if value is not None]

    def without_first(self, count: int) -> "Sheet":
        """Return the table without its first rows; the others are numbered anew."""
        rows = tuple(
            Row(row.number - count, row.line, row.cells, row.fault, row.comma)
            for row in self.rows[count:]
        )
        return Sheet(self.path, self.names, rows, self.decimal_comma)


def to_number(text: str, comma: bool = False) -> float | None:
    """Return the finite number that a text spells, or None.

    Examples
    --------
    >>> to_number("1.5e3"), to_number("2,5", comma=True), to_number("n/a")
    (1500.0, 2.5, None)
    """
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    text = text.replace(",", ".") if comma else text
    if not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) < float("inf") else None


@dataclass(frozen=True)
class Records:
    """Lines of a file as lists of cells, blank ones included.

    Attributes
    ----------
    path : Path
        The file.
    lines : list
        All lines.
    separator : str
        Separator of cells.
    """

    path: Path
    lines: list[list[str]]
    separator: str

    @classmethod
    def of(cls, path: Path, text: str) -> "Records":
        """Split a text; the separator is that of the first line.

        Raises
        ------
        InputError
            If a cell is beyond all bounds.
        """
        first = text.lstrip("\r\n").split("\n", 1)[0].rstrip("\r")
        if _is_separator_hint([first]):
            separator = first[-1]
        else:
            bare = re.sub(r'"[^"]*"', "", first)
            separator = next((each for each in SEPARATORS if each in bare), ",")
        try:
            lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        except csv.Error as error:
            raise InputError(f"{path} cannot be read as a table: {error}.") from error
        return cls(path, lines, separator)

    def headers(self) -> list[int]:
        """Return the lines that may be the header: some programs write a line or two above it."""
        filled = [
            number
            for number, line in enumerate(self.lines)
            if any(map(str.strip, line)) and not _is_separator_hint([self.separator.join(line)])
        ]
        return filled[:HEADERS]

    def sheet(self, header: int) -> Sheet:
        """Return the table whose header is the line of that index.

        Raises
        ------
        InputError
            If it is not clear whether commas are decimal ones.
        """
        names = tuple(name if name == " " else name.strip() for name in self.lines[header])
        without_first = enumerate(self.lines[header + 1 :], header + 2)
        body = [(number, line) for number, line in without_first if any(map(str.strip, line))]
        comma = self._has_decimal_commas([line for _, line in body])
        rows = []
        for number, (position, line) in enumerate(body, start=1):
            pairs = zip(names, line, strict=False)
            cells = {name.lower(): cell.strip() for name, cell in pairs}
            fault = ""
            if any(map(str.strip, line[len(names) :])):
                fault = (
                    f"it has {len(line)} cells under {len(names)} columns (with decimal commas, "
                    "separate cells with semicolons)"
                )
            rows.append(Row(number, position, cells, fault, comma))
        return Sheet(self.path, names, tuple(rows), comma)

    def _has_decimal_commas(self, body: Sequence[Sequence[str]]) -> bool:
        cells = {cell.strip() for line in body for cell in line if "," in cell or "." in cell}
        commas = [c for c in cells if c.count(",") == 1 and NUMBER.fullmatch(c.replace(",", "."))]
        points = [cell for cell in cells if "." in cell and NUMBER.fullmatch(cell)]
        if self.separator == "," and points:
            # With decimal points and separating commas, the other cells are text.
            return False
        # Between commas a quoted 1,234 is as likely a thousand.
        thousands = self.separator == "," and all(map(_THOUSANDS.fullmatch, commas))
        if commas and (points or thousands):
            more = f" and with points ({min(points)})" if points else ""
            raise InputError(
                f"{self.path} has numbers with commas ({min(commas)}){more}, so what a comma means "
                "cannot be known. Save the table with points, and without commas, in numbers."
            )
        return bool(commas)


def _is_separator_hint(line: Sequence[str]) -> bool:
    """Return True for a separator hint to spreadsheets, such as ``sep=;``."""
    return len(line[0].strip()) == 5 and line[0].lower().startswith("sep=")
