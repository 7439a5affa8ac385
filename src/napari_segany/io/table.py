"""The table of objects as CSV: one row an object, numbers written the same way everywhere."""

import csv
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_IN_MEMORY = 16 * 2**20
"""Characters kept before the rest goes to a temporary file."""


class Table:
    """Rows on their way into one CSV file; memory stays bounded by spilling them to disk.

    Real numbers are written with six significant digits, NaN as an empty cell.
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
        """Write everything to ``path``."""
        self._spool.seek(0)
        with path.open("w", encoding="utf-8", newline="") as file:
            shutil.copyfileobj(self._spool, file)

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        # Adding zero turns -0.0 into 0.0.
        return "" if np.isnan(value) else f"{value + 0.0:.6g}"
    return str(value)
