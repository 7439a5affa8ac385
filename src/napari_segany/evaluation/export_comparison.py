"""Export of a comparison: the table of objects, and the scores."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from napari_segany.errors import InputError
from napari_segany.evaluation.comparison import ObjectComparison
from napari_segany.io.atomic import writing
from napari_segany.io.table import CsvTable

TABLE, SCORES = ".csv", ".json"


def check_ending(path: Path) -> Path:
    """Return the path if its ending is known; else raise InputError."""
    if path.suffix.lower() not in (TABLE, SCORES):
        raise InputError(
            f"{path.name} must end in {TABLE} for the table of objects or in {SCORES} for the "
            "scores."
        )
    return path


def save_comparison(
    found: ObjectComparison, path: Path, about: Mapping[str, str] | None = None
) -> None:
    """Write all objects (.csv), or the scores (.json), atomically.

    Parameters
    ----------
    found : ObjectComparison
        Comparison to save.
    path : Path
        File to write; its ending says which part.
    about : mapping, optional
        Other entries of the scores, for example names of images.

    Raises
    ------
    InputError
        If the path ends in something else.
    SeganyError
        If it cannot be written.
    """
    check_ending(path)
    with writing(path) as temporary:
        if path.suffix.lower() == TABLE:
            _write_table(found, temporary)
        else:
            report = {"napari_segany": version("napari-segany"), **(about or {}), **found.to_dict()}
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _write_table(found: ObjectComparison, path: Path) -> None:
    table = CsvTable()
    try:
        table.add(found.columns())
        table.save(path)
    finally:
        table.close()
