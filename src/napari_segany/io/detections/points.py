"""Tables of points, whose rows may be grouped to objects and have signs."""

from collections.abc import Mapping
from functools import partial

from napari_segany.core.shape_prompts import ShapePrompt, are_signs, sign_of
from napari_segany.io.detections.columns import check_label, position_of
from napari_segany.io.detections.text_table import Row, Sheet
from napari_segany.io.detections.types import PlanePosition, RowError, TableEntry
from napari_segany.io.detections.units import IN_PIXELS, Scale

IDS = ("label", "id", "object_id", "index")
"""Columns that name objects, the most certain first."""


def sign_column(sheet: Sheet) -> str | None:
    """Return the column that says which points are on their object.

    A column "label" does only if it holds nothing but signs; else it holds ids.
    """
    if sheet.has("sign"):
        return "sign"
    signs = sheet.has("label") and are_signs(row.text("label") for row in sheet.rows)
    return "label" if signs else None


def id_column(sheet: Sheet) -> str | None:
    """Return the column that names objects."""
    sign = sign_column(sheet)
    return sheet.first_filled(name for name in IDS if name != sign)


def grouped_points(
    sheet: Sheet,
    spot: tuple[str, str],
    planes: Mapping[str, str],
    first: int,
    rounded: bool = False,
    scale: Scale = IN_PIXELS,
) -> tuple[list[TableEntry], str]:
    """Return entries of points, grouped by the values of a column "object".

    Parameters
    ----------
    sheet : Sheet
        The table.
    spot : tuple of str
        Columns of row and column.
    planes : mapping
        Columns of planes by axis.
    first : int
        Number of the first plane in the table.
    rounded : bool
        See :func:`napari_segany.io.detections.columns.position_of`.
    scale : tuple of float
        Pixels along rows and columns that one unit of the table is.

    Returns
    -------
    entries : list of TableEntry
        One for each object.
    said : str
        Description of the columns beside those of positions.
    """
    sign, name = sign_column(sheet), id_column(sheet)
    label = None if sign == "label" or not sheet.has("label") else "label"
    groups: dict[tuple[str, ...], list[Row]] = {}
    group_column = "object" if sheet.has("object") else None
    for row in sheet.rows:
        key: tuple[str, ...] = (row.where,)
        if group_column and row.text(group_column):
            key = (row.text(group_column), *(row.text(column) for column in planes.values()))
        groups.setdefault(key, []).append(row)

    def make(rows: list[Row]) -> list[tuple[ShapePrompt, PlanePosition]]:
        prompt, place = ShapePrompt(), position_of(rows[0], planes, first, rounded)
        for row in rows:
            try:
                check_label(row, label)
                prompt.points.append(
                    [value * s for value, s in zip(row.values(spot), scale, strict=True)]
                )
            except RowError as error:
                raise RowError(f"line {row.line}: {error}" if len(rows) > 1 else error) from error
            prompt.signs.append(1 if sign is None else sign_of(row.text(sign)))
        return [(prompt, place)]

    entries = []
    for number, rows in enumerate(groups.values(), start=1):
        one = len(groups) == len(sheet.rows)
        lines = ", ".join(str(row.line) for row in rows)
        where = rows[0].where if one else f"object {number} (line{'s' * (len(rows) > 1)} {lines})"
        text = rows[0].text(group_column) if group_column else ""
        named = text or (rows[0].text(name) if name else "")
        entries.append(TableEntry(number, where, named, partial(make, rows)))
    description = f", signs from {sign}" if sign else ""
    return entries, description + (", put together by object" if group_column else "")
