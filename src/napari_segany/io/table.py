"""Object tables, one row per object: CSV or Parquet."""

import csv
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError

_IN_MEMORY = 16 * 2**20
"""Characters kept before the rest goes to a temporary file."""

_ROWS_IN_GROUP = 65_536
"""Rows in a row group of Parquet."""


FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""First characters of a formula, in spreadsheets of any language."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


class Table(Protocol):
    """Protocol of tables: rows are added plane by plane, and saved at the end."""

    def add(self, columns: Mapping[str, NDArray[np.generic]]) -> None:
        """Append rows; the first call decides the columns and may bring none."""
        ...

    def save(self, path: Path) -> None:
        """Write all rows to ``path``."""
        ...

    def close(self) -> None:
        """Delete temporary files."""
        ...


class CsvTable:
    """CSV table under construction; memory stays bounded by spilling to disk.

    Real numbers are written with six significant digits, NaN as an empty cell; texts are none that
    a spreadsheet would compute.
    """

    def __init__(self) -> None:
        self._spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            max_size=_IN_MEMORY, mode="w+", encoding="utf-8", newline=""
        )
        self._writer: Any = csv.writer(self._spool, lineterminator="\n")
        self._names: list[str] = []

    def add(self, columns: Mapping[str, NDArray[np.generic]]) -> None:
        """Append rows; the first call decides the columns and may bring none."""
        if not self._names:
            self._names = list(columns)
            self._writer.writerow(self._names)
        cells = [[_cell(v) for v in columns[name].tolist()] for name in self._names]
        self._writer.writerows(zip(*cells, strict=True))

    def save(self, path: Path) -> None:
        """Write all rows to ``path``."""
        self._spool.seek(0)
        with path.open("w", encoding="utf-8", newline="") as file:
            shutil.copyfileobj(self._spool, file)

    def close(self) -> None:
        """See :class:`Table`."""
        self._spool.close()


class ParquetTable:
    """Parquet table under construction, with numbers in full precision; needs pyarrow.

    Raises
    ------
    InputError
        If pyarrow is not installed.
    """

    def __init__(self) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise InputError(
                'Parquet needs pyarrow: pip install "napari-segany[parquet]", or choose csv.'
            ) from error
        self._arrow, self._parquet = pyarrow, parquet
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._writer: Any = None
        self._waiting: list[Any] = []

    def add(self, columns: Mapping[str, NDArray[np.generic]]) -> None:
        """Append rows; the first call decides the columns and may bring none."""
        table = self._arrow.table({name: np.asarray(v) for name, v in columns.items()})
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._file, table.schema)
        # Planes without objects can have columns of another type.
        self._waiting.append(table.cast(self._writer.schema))
        if sum(len(each) for each in self._waiting) >= _ROWS_IN_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(self._arrow.concat_tables(self._waiting))
            self._waiting = []

    def save(self, path: Path) -> None:
        """Write all rows to ``path``."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
        self._file.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(self._file, file)

    def close(self) -> None:
        """See :class:`Table`."""
        self._file.close()


TABLES: dict[str, tuple[str, Callable[[], Table]]] = {
    "csv": ("_table.csv", CsvTable),
    "parquet": ("_table.parquet", ParquetTable),
}
"""Ending and class of each kind of table."""


def safe_text(text: str) -> str:
    """Return a text for a cell of CSV: on one line, and no formula to any spreadsheet.

    Names of images and ids of objects come from other people. An apostrophe before what
    spreadsheets compute makes it text to them; numbers stay as they are. Control characters, which
    break lines and terminals, become spaces.

    Examples
    --------
    >>> safe_text("=SUM(A1)"), safe_text("-3.5")
    ("'=SUM(A1)", '-3.5')
    """
    text = _CONTROL.sub(" ", text)
    starts = text.lstrip(" ").startswith(FORMULA_STARTS)
    return f"'{text}" if starts and not _NUMBER.fullmatch(text) else text


def _cell(value: Any) -> str:
    if isinstance(value, float):
        # Adding zero turns -0.0 into 0.0.
        return "" if np.isnan(value) else f"{value + 0.0:.6g}"
    return safe_text(value) if isinstance(value, str) else str(value)
