"""Plain tables with columns as most detectors and scripts name them."""

from collections.abc import Callable, Sequence

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.detections.columns import (
    IMAGE_COLUMNS,
    check_label,
    describe_planes,
    entry_of,
    position_of,
    rows_of_image,
)
from napari_segany.io.detections.placement import box_between, box_of_size
from napari_segany.io.detections.points import grouped_points, id_column
from napari_segany.io.detections.region_tables import added_planes
from napari_segany.io.detections.text_table import Row, Sheet
from napari_segany.io.detections.types import ParsedTable, PlanePosition, TableImage, TableOptions
from napari_segany.io.detections.units import IN_PIXELS, chosen_scale, is_sized, unit_of

CORNERS = (
    ("row_min", "col_min", "row_max", "col_max"),
    ("ymin", "xmin", "ymax", "xmax"),
    ("y_min", "x_min", "y_max", "x_max"),
    ("y1", "x1", "y2", "x2"),
    ("top", "left", "bottom", "right"),
)
"""Names of a box's corners: rows and columns through the centres of its outermost pixels."""

SIZED = (("y", "x", "height", "width"), ("y", "x", "h", "w"), ("top", "left", "height", "width"))
"""Names of a box's smallest row and column, its height and width."""

CENTRED = (
    ("y_center", "x_center", "height", "width"),
    ("center_y", "center_x", "height", "width"),
    ("cy", "cx", "h", "w"),
    ("cy", "cx", "height", "width"),
)
"""Names of a box's centre, its height and width."""

POINTS = (("row", "col"), ("y", "x"))
"""Names of a point's row and column."""

Make = Callable[..., ShapePrompt]


def _centred(row: float, col: float, height: float, width: float) -> ShapePrompt:
    return box_of_size(row - height / 2, col - width / 2, height, width)


def _corners(*values: float) -> ShapePrompt:
    return box_between(values)


BOXES: tuple[tuple[tuple[tuple[str, ...], ...], Make, str], ...] = (
    (CORNERS, _corners, "two corners"),
    (CENTRED, _centred, "the middle and the size"),
    (SIZED, box_of_size, "the corner and the size"),
)
"""Names of columns, the constructor of their boxes, and its description."""


def matches(sheet: Sheet) -> bool:
    """Return True if the table has known columns."""
    return any(sheet.has(*each) for names, *_ in BOXES for each in names) or any(
        sheet.has(*each) for each in POINTS
    )


def centred_matches(sheet: Sheet) -> bool:
    """Return False: x and y with width and height are a corner unless the dialect is chosen."""
    return False


def read(sheet: Sheet, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    return _read(sheet, image, options, BOXES)


def read_centred(sheet: Sheet, image: TableImage, options: TableOptions) -> ParsedTable:
    """Read a plain table whose x and y are centres of boxes."""
    return _read(
        sheet, image, options, (((*SIZED, *CENTRED), _centred, "the middle and the size"),)
    )


def _read(
    sheet: Sheet,
    image: TableImage,
    options: TableOptions,
    known: Sequence[tuple[tuple[tuple[str, ...], ...], Make, str]],
) -> ParsedTable:
    sheet, which = rows_of_image(sheet, image, IMAGE_COLUMNS)
    planes = added_planes(sheet)
    first = options.first_plane or 0
    scale = chosen_scale(sheet.path, image, options.units)
    overrides: tuple[str, ...] = ("first_plane",) * bool(planes) + ("units",) * is_sized(image)
    chosen = next(
        (
            (columns, make, words)
            for names, make, words in known
            for columns in names
            if sheet.has(*columns)
        ),
        None,
    )
    if chosen is not None:
        columns, build, words = chosen
        sheet.require(columns, "table of boxes")
        if scale == IN_PIXELS:
            _check_pixels(sheet, columns)
        label = "label" if sheet.has("label") and id_column(sheet) == "label" else None

        def make(row: Row) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
            check_label(row, label)
            values = zip(row.values(columns), scale * 2, strict=True)
            return [(build(*(v * s for v, s in values)), position_of(row, planes, first))]

        name = id_column(sheet)
        entries = [entry_of(row, make, name) for row in sheet.rows]
        description = f"plain table: boxes from {', '.join(columns)}, {words}"
    else:
        spot = next((pair for pair in POINTS if sheet.has(*pair)), None)
        if spot is None:
            every = (*(each for names, *_ in known for each in names), *POINTS)
            raise InputError(
                f"{sheet.path} has the columns {sheet.described}; known are: "
                f"{'; '.join(', '.join(each) for each in every)}; and tables of other programs."
            )
        sheet.require(spot, "table of points")
        entries, more = grouped_points(sheet, spot, planes, first, scale=scale)
        description = f"plain table: points from {', '.join(spot)}{more}"
    if scale != IN_PIXELS:
        description += f" in {unit_of(image)}"
    descriptions = (description, *((which,) if which else ()), *describe_planes(planes, first))
    return ParsedTable(
        descriptions, entries, planes, first, options.first_plane is not None, overrides
    )


def _check_pixels(sheet: Sheet, columns: Sequence[str]) -> None:
    """Raise InputError if boxes are fractions of the image instead of pixels."""
    values = [value for column in columns for value in sheet.numbers(column)]
    if values and all(0 <= value <= 1 for value in values) and any(v % 1 for v in values):
        raise InputError(
            f"All boxes of {sheet.path} lie between 0 and 1, so they are fractions of an image and "
            "no pixels. Multiply them by its height and width."
        )
