"""QuPath's tables of measurements."""

import re
from collections.abc import Sequence

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.io.detections.columns import entry_of, rows_of_image
from napari_segany.io.detections.text_table import Row, Sheet
from napari_segany.io.detections.types import ParsedTable, PlanePosition, TableImage, TableOptions
from napari_segany.io.detections.units import IN_PIXELS, calibrated

CENTROID = re.compile(r"centroid ([xy])\s*\(?(px|pixels?|µm|μm|um|\ufffdm|m)\)?")
"""Columns of centroids; the micro sign is not preserved by every program."""


def matches(sheet: Sheet) -> bool:
    """Return True if the columns are QuPath's."""
    return _columns(sheet) is not None


def _columns(sheet: Sheet) -> tuple[tuple[str, str], bool] | None:
    """Return the columns of row and column, pixels before micrometres, and True for pixels."""
    found: dict[tuple[bool, str], str] = {}
    for name in sheet.names:
        if match := CENTROID.fullmatch(name.lower()):
            found.setdefault((match.group(2).startswith("p"), match.group(1)), name)
    for pixels in (True, False):
        if {(pixels, "x"), (pixels, "y")} <= set(found):
            return (found[pixels, "y"], found[pixels, "x"]), pixels
    return None


def read(sheet: Sheet, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    columns = _columns(sheet)
    if columns is None:
        sheet.require(("Centroid X µm", "Centroid Y µm"), "table of QuPath")
        raise AssertionError("such columns are recognised")
    spot, pixels = columns
    sheet.require(spot, "table of QuPath")
    kept, which = rows_of_image(sheet, image, ["Image"])
    if pixels or options.units == "pixels":
        scale = IN_PIXELS
    else:
        scale = calibrated(sheet.path, image, "Centroids", micrometres=True)

    def make(row: Row) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
        y, x = (v * s for v, s in zip(row.values(spot), scale, strict=True))
        # QuPath counts from the corner of the first pixel.
        return [(ShapePrompt([[y - 0.5, x - 0.5]], [1]), {})]

    description = f"QuPath measurements: points from {spot[1]}, {spot[0]}"
    name = sheet.first_filled(["Object ID", "Name"])
    return ParsedTable(
        (description, which) if which else (description,),
        [entry_of(row, make, name) for row in kept.rows],
        overrides=() if pixels else ("units",),
    )
