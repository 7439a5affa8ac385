"""Columns that dialects of tables share: planes, images and ids; and rows as entries."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.detections.placement import box_between, plane_number
from napari_segany.io.detections.text_table import Row, Sheet, to_number
from napari_segany.io.detections.types import PlanePosition, RowError, TableEntry, TableImage

IMAGE_COLUMNS = ("image", "filename", "file_name", "image_name", "image_path", "imagename")


def entry_of(
    row: Row,
    make: Callable[[Row], Sequence[tuple[ShapePrompt, PlanePosition]]],
    name: str | None = None,
) -> TableEntry:
    """Return the entry of a row that is one object; ``name`` is the column with its id."""
    return TableEntry(
        row.number, row.where, row.text(name) if name is not None else "", lambda: make(row)
    )


def check_label(row: Row, column: str | None) -> None:
    """Raise :class:`RowError` if the row's label is 0 or negative, which is no object."""
    number = to_number(row.text(column), row.comma) if column is not None else None
    if number is not None and number <= 0:
        raise RowError(f"{column} {number:g} is no object")


def position_of(
    row: Row, planes: Mapping[str, str], first: int, rounded: bool = False
) -> PlanePosition:
    """Return the plane of a row, from 0, by axis; axes with empty cells are left out.

    Parameters
    ----------
    row : Row
        The row.
    planes : mapping
        Names of columns by axis.
    first : int
        Number of the first plane in the table.
    rounded : bool
        Whether positions between planes are allowed and belong to the nearer one.
    """
    place = {}
    for axis, column in planes.items():
        if row.text(column) or row.fault:
            value = row.value(column)
            place[axis] = (round(value) if rounded else plane_number(column, value)) - first
    return place


def describe_planes(planes: Mapping[str, str], first: int) -> tuple[str, ...]:
    """Describe the columns of planes."""
    if not planes:
        return ()
    return (f"planes from {', '.join(planes.values())}, counted from {first}",)


def rows_of_image(sheet: Sheet, image: TableImage, columns: Iterable[str]) -> tuple[Sheet, str]:
    """Return the rows of one image, if a column names images, and a description of the choice.

    Raises
    ------
    InputError
        If they are about several images, none of which is this one.
    """
    column = sheet.first_filled(columns)
    if column is None:
        return sheet, ""
    named = {row.text(column) for row in sheet.rows}
    ours = {name for name in named if image.name and _file(name) == _file(image.name)}
    if len(named) < 2:
        # One image may be called otherwise by now.
        other = next((name for name in named if name and not ours), "")
        return sheet, f"all rows, those of {other} in {column}" if other and image.name else ""
    if not ours:
        raise InputError(
            f"{sheet.path} is about {len(named)} images by its column {column}, none of which is "
            f"{image.name or 'this one'}. Keep only the rows of the image."
        )
    rows = tuple(row for row in sheet.rows if row.text(column) in ours)
    description = f"{len(rows)} of {len(sheet.rows)} rows, those of {image.name} in {column}"
    return Sheet(sheet.path, sheet.names, rows, sheet.decimal_comma), description


def _file(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name.casefold()


def boxes_through_planes(
    low: Sequence[float], high: Sequence[float]
) -> list[tuple[ShapePrompt, PlanePosition]]:
    """Return a half-open box of planes, rows and columns as a box in each of its planes."""
    first, end = plane_number("the first plane", low[0]), plane_number("the last plane", high[0])
    if end <= first:
        raise RowError("its box has no plane")
    box = [low[1], low[2], high[1], high[2]]
    return [(box_between(box, half_open=True), {"": plane}) for plane in range(first, end)]
