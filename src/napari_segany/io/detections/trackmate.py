"""TrackMate's tables of spots."""

import re
from collections.abc import Sequence

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.io.detections.columns import describe_planes, entry_of, position_of
from napari_segany.io.detections.placement import box_between
from napari_segany.io.detections.text_table import Row, Sheet, to_number
from napari_segany.io.detections.types import ParsedTable, PlanePosition, TableImage, TableOptions
from napari_segany.io.detections.units import IN_PIXELS, calibrated, is_sized, unit_of

POSITION = ("POSITION_Y", "POSITION_X")


def matches(sheet: Sheet) -> bool:
    """Return True if the columns are TrackMate's."""
    return sheet.has(*POSITION)


def read(sheet: Sheet, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    sheet.require(POSITION, "table of TrackMate")
    sheet, unit = _without_titles(sheet)
    known = is_sized(image)
    stated = unit not in ("", "pixel", "pixels")
    in_pixels = options.units == "pixels" or (options.units is None and unit.startswith("pixel"))
    if in_pixels or not (known or stated or options.units):
        scale = IN_PIXELS
    else:
        scale = calibrated(sheet.path, image, "Positions")
    radius = "RADIUS" if sheet.first_filled(["RADIUS"]) else None
    first = options.first_plane or 0
    planes = {"T": sheet.spelling("FRAME")} if sheet.first_filled(["FRAME"]) else {}
    depth = "POSITION_Z" if any(sheet.numbers("POSITION_Z")) else ""
    step = image.pixel_size["Z"][0] if "Z" in image.pixel_size and scale != IN_PIXELS else 1.0

    def make(row: Row) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
        place = dict(position_of(row, planes, first))
        if depth:
            place["Z"] = round(row.value(depth) / step)
        row_, col = (v * s for v, s in zip(row.values(POSITION), scale, strict=True))
        size = (to_number(row.text(radius), row.comma) or 0) if radius else 0
        if size <= 0:
            return [(ShapePrompt([[row_, col]], [1]), place)]
        down, right = size * scale[0], size * scale[1]
        return [(box_between([row_ - down, col - right, row_ + down, col + right]), place)]

    what = "boxes of RADIUS around" if radius else "points from"
    name = "ID" if sheet.has("ID") else None
    measure = unit_of(image) if scale != IN_PIXELS else "pixels"
    more = (f"{depth} in the nearest plane",) if depth else ()
    return ParsedTable(
        (
            f"TrackMate spots: {what} POSITION_X, POSITION_Y in {measure}",
            *more,
            *describe_planes(planes, first),
        ),
        [entry_of(row, make, name) for row in sheet.rows],
        planes | ({"Z": depth} if depth else {}),
        first,
        overrides=("first_plane",) * bool(planes) + ("units",) * known,
    )


def _without_titles(sheet: Sheet) -> tuple[Sheet, str]:
    """Return the table without titles and units below its header, and the unit of positions."""
    count, unit = 0, ""
    for row in sheet.rows[:3]:
        if to_number(row.text("POSITION_X"), row.comma) is not None:
            break
        if to_number(row.text("QUALITY"), row.comma) is not None:
            # A spot whose position is missing.
            break
        count += 1
        if found := re.fullmatch(r"\((.*)\)", row.text("POSITION_X")):
            unit = found.group(1).strip().lower()
    return sheet.without_first(count), unit
