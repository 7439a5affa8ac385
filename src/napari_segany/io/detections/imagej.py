"""ImageJ's and Fiji's results tables, and its lists of ROIs."""

from collections.abc import Sequence

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.detections.columns import describe_planes, entry_of, position_of
from napari_segany.io.detections.placement import box_of_size
from napari_segany.io.detections.text_table import Row, Sheet
from napari_segany.io.detections.types import (
    ParsedTable,
    PlanePosition,
    RowError,
    TableImage,
    TableOptions,
)
from napari_segany.io.detections.units import IN_PIXELS, inferred_scale, is_sized, unit_of

BOX = ("BX", "BY", "Width", "Height")
CENTRES = (("X", "Y"), ("XM", "YM"))
LISTED = ("X", "Y", "Width", "Height")
PLANES = {"Slice": "Z", "Z": "Z", "Frame": "T", "T": "T"}

_OTHERS = {
    *("Area", "Mean", "StdDev", "Mode", "Median", "XM", "YM", "Perim.", "Circ.", "Feret", "Slice"),
    *("IntDen", "RawIntDen", "%Area", "Major", "Minor", "Angle", "Ch", "Frame"),
}
"""Columns by which a table with X and Y is ImageJ's; other programs spell them otherwise."""

_SUMMARY = {"Mean", "SD", "Min", "Max"}
"""Names of the rows that "Summarize" puts below the results."""

_NAMES = (" ", "", "Index", "Label")
"""Columns that name rows."""

_LIST_OTHERS = {"LWidth", "Points", "Fill"}


def matches(sheet: Sheet) -> bool:
    """Return True if the columns are those of ImageJ."""
    names = set(sheet.names)
    centred = any(names.issuperset(pair) for pair in CENTRES) and bool(names & _OTHERS)
    return sheet.has(*BOX) or is_list(sheet) or (centred and not names & {"x", "y"})


def is_list(sheet: Sheet) -> bool:
    """Return True for a list of ROIs, in which X and Y are a corner."""
    names = set(sheet.names)
    return names.issuperset((*LISTED, "Type")) and bool(names & _LIST_OTHERS)


def read(sheet: Sheet, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    listed = is_list(sheet)
    boxes: Sequence[str] | None = LISTED if listed else BOX if sheet.has(*BOX) else None
    pair = next((pair for pair in CENTRES if sheet.has(*pair)), CENTRES[0])
    sheet.require(boxes or pair, "table of ImageJ")
    sheet, which = _of_image(sheet, image)
    # Lists of ROIs are always in pixels.
    scale = IN_PIXELS if listed else _scale(_objects(sheet), image, options, boxes)
    first = 1 if options.first_plane is None else options.first_plane
    planes = _planes(sheet, image)

    name = next((n for n in _NAMES[:3] if n in sheet.names), None)

    def make(row: Row) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
        if _is_summary(row):
            raise RowError("it is ImageJ's summary of the others and no object")
        place = position_of(row, planes, first)
        if listed:
            # ROIs that lie in every plane say 0.
            place = {axis: index for axis, index in place.items() if index + first > 0}
        values = row.values(boxes or pair)
        x, y = values[0] * scale[1], values[1] * scale[0]
        if boxes is not None:
            return [(box_of_size(y, x, values[3] * scale[0], values[2] * scale[1]), place)]
        # ImageJ counts from the corner of the first pixel.
        return [(ShapePrompt([[y - 0.5, x - 0.5]], [1]), place)]

    description = "boxes from" if boxes is not None else "points from the middles"
    known = is_sized(image)
    unit = unit_of(image) if scale != IN_PIXELS else "pixels"
    return ParsedTable(
        (
            f"ImageJ {'list of ROIs' if listed else 'results'}: "
            f"{description} {', '.join(sheet.spelling(column) for column in boxes or pair)}"
            + (f" in {unit}" if known else ""),
            *((which,) if which else ()),
            *describe_planes(planes, first),
        ),
        [entry_of(row, make, name) for row in sheet.rows],
        planes,
        first,
        overrides=("first_plane",) * bool(planes) + ("units",) * (known and not listed),
    )


def _of_image(sheet: Sheet, image: TableImage) -> tuple[Sheet, str]:
    """Return the rows whose Label begins with the image's name, if any, and a description.

    A label is the image's title, and behind colons those of slice and ROI; one that was given by
    hand may be anything.
    """

    def is_ours(row: Row) -> bool:
        label, name = row.text("Label"), image.name or ""
        return label == name or label.startswith(f"{name}:")

    ours = tuple(row for row in sheet.rows if is_ours(row) or _is_summary(row))
    if not image.name or len(ours) == len(sheet.rows) or not any(map(is_ours, ours)):
        return sheet, ""
    description = f"{len(ours)} of {len(sheet.rows)} rows, those of {image.name} in Label"
    return Sheet(sheet.path, sheet.names, ours, sheet.decimal_comma), description


def _objects(sheet: Sheet) -> Sheet:
    rows = tuple(row for row in sheet.rows if not _is_summary(row))
    return Sheet(sheet.path, sheet.names, rows, sheet.decimal_comma)


def _is_summary(row: Row) -> bool:
    return not _SUMMARY.isdisjoint(map(row.text, _NAMES))


def _scale(
    sheet: Sheet, image: TableImage, options: TableOptions, boxes: Sequence[str] | None
) -> tuple[float, float]:
    along = dict(zip(BOX, "XYXY", strict=True)) if boxes is not None else {}
    lengths = [(value, axis) for name, axis in along.items() for value in sheet.numbers(name)]
    areas = [value for value in sheet.numbers("Area") if value > 0] if sheet.has("Area") else []
    return inferred_scale(sheet.path, image, options.units, lengths, areas)


def _planes(sheet: Sheet, image: TableImage) -> dict[str, str]:
    """Return the columns of planes by axis.

    Raises
    ------
    InputError
        If Slice counts through a stack of several axes, which no other column tells apart.
    """
    planes: dict[str, str] = {}
    for name, axis in PLANES.items():
        if sheet.first_filled([name]) is not None:
            planes.setdefault(axis, sheet.spelling(name))
    long_axes = [axis for axis, length in image.axes.items() if length > 1]
    only_slice = list(planes) == ["Z"] and planes["Z"].lower() == "slice" and not sheet.has("Ch")
    if only_slice and len(long_axes) > 1:
        raise InputError(
            f"{sheet.path} has a column Slice and none called Frame or Ch, and the image has "
            f"several axes ({', '.join(long_axes)}): which plane a slice is cannot be known. In "
            "ImageJ measure with Stack position ticked, or rename Slice to z or t."
        )
    if len(planes) > 1 and len(image.leading) == 1:
        # A hyperstack with one slice, or one frame: the image's axis is the other.
        moving = [axis for axis in planes if set(sheet.numbers(planes[axis])) - {0.0, 1.0}]
        known = [axis for axis in planes if axis in image.leading]
        if len(moving) < len(planes):
            kept = (*moving, *known, *planes)[0]
            planes = {kept: planes[kept]}
    return planes
