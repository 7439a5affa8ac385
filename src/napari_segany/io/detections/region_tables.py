"""Tables of measured label images: scikit-image, CellProfiler, and this package."""

from collections.abc import Sequence

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.detections.columns import (
    boxes_through_planes,
    check_label,
    describe_planes,
    entry_of,
    position_of,
    rows_of_image,
)
from napari_segany.io.detections.placement import box_between
from napari_segany.io.detections.text_table import Row, Sheet
from napari_segany.io.detections.types import ParsedTable, PlanePosition, TableImage, TableOptions
from napari_segany.io.detections.units import IN_PIXELS, chosen_scale, is_sized, unit_of

OURS = ("row_min", "col_min", "row_max", "col_max")
OURS_TOO = ("centroid_row", "centroid_col", "label")

CELL_BOX = tuple(
    f"AreaShape_BoundingBox{end}_{axis}" for end in ("Minimum", "Maximum") for axis in "YX"
)
CELL_CENTRES = (
    ("Location_Center_Y", "Location_Center_X"),
    ("AreaShape_Center_Y", "AreaShape_Center_X"),
)
CELL_IMAGES = ("FileName_", "Image_FileName_")

PLAIN_PLANES = {"z": "Z", "slice": "Z", "t": "T", "frame": "T", "time": "T", "plane": ""}
"""Columns that users add for the plane, and the axis of each; "" is the last axis."""


def added_planes(sheet: Sheet) -> dict[str, str]:
    """Return the columns of planes by axis, as users name them."""
    planes: dict[str, str] = {}
    for name, axis in PLAIN_PLANES.items():
        # "plane" repeats the other columns where there are any.
        if sheet.first_filled([name]) is not None and not (axis == "" and planes):
            planes.setdefault(axis, sheet.spelling(name))
    return planes


# scikit-image -------------------------------------------------------------------------------


def scikit_image_matches(sheet: Sheet) -> bool:
    """Return True if the columns are those of ``regionprops_table``."""
    return sheet.has("bbox-0", "bbox-3") or sheet.has("centroid-0", "centroid-1")


def read_scikit_image(sheet: Sheet, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    deep = sheet.has("bbox-5") or (sheet.has("centroid-2") and not sheet.has("bbox-3"))
    size = 3 if deep else 2
    boxed = sheet.has("bbox-3")
    columns = [f"{'bbox' if boxed else 'centroid'}-{n}" for n in range(2 * size if boxed else size)]
    sheet.require(columns, "table of scikit-image")
    added = {} if deep else added_planes(sheet)
    first = options.first_plane or 0
    label = "label" if sheet.has("label") else None
    # Boxes are always in pixels; centroids are not if "spacing" was given.
    scale = IN_PIXELS if boxed else chosen_scale(sheet.path, image, options.units)
    step = image.pixel_size["Z"][0] if scale != IN_PIXELS and "Z" in image.pixel_size else 1.0

    def make(row: Row) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
        check_label(row, label)
        values, place = row.values(columns), position_of(row, added, first)
        if boxed and deep:
            return boxes_through_planes(values[:3], values[3:])
        if boxed:
            return [(box_between(values, half_open=True), place)]
        spot = [value * s for value, s in zip(values[-2:], scale, strict=True)]
        return [(ShapePrompt([spot], [1]), {"": round(values[0] / step)} if deep else place)]

    description = (
        f"scikit-image: {'boxes' if boxed else 'points'} from {columns[0]} to {columns[-1]}"
    )
    description += f" in {unit_of(image)}" if scale != IN_PIXELS else ""
    planes = {"": columns[0]} if deep else added
    if deep:
        description += (
            ", in every plane that they go through" if boxed else ", in the nearest plane"
        )
    return ParsedTable(
        (description, *(() if deep else describe_planes(planes, first))),
        [entry_of(row, make, label) for row in sheet.rows],
        planes,
        0 if deep else first,
        first_is_known=deep or options.first_plane is not None,
        overrides=("first_plane",) * bool(planes and not deep)
        + ("units",) * (is_sized(image) and not boxed),
    )


# This package -------------------------------------------------------------------------------


def ours_matches(sheet: Sheet) -> bool:
    """Return True for a table that this package wrote beside labels."""
    return sheet.has(*OURS, *OURS_TOO)


def read_ours(sheet: Sheet, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    sheet.require((*OURS, "label"), "table of napari-segany")
    planes = {axis: axis for axis in "TZQI" if axis in sheet.names}

    def make(row: Row) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
        check_label(row, "label")
        return [(box_between(row.values(OURS), half_open=True), position_of(row, planes, 0))]

    description = f"table of napari-segany: boxes from {', '.join(OURS)}"
    entries = [entry_of(row, make, "label") for row in sheet.rows]
    return ParsedTable((description, *describe_planes(planes, 0)), entries, planes)


# CellProfiler -------------------------------------------------------------------------------


def cellprofiler_matches(sheet: Sheet) -> bool:
    """Return True if the columns are CellProfiler's."""
    return bool(_cell_kinds(sheet))


def _cell_kinds(sheet: Sheet) -> list[str]:
    """Return the kinds of objects, which prefix the names of columns in a shared table."""
    ends = [columns[-1] for columns in (CELL_BOX, *CELL_CENTRES)]
    found = [name.removesuffix(end) for name in sheet.names for end in ends if name.endswith(end)]
    return [
        kind
        for kind in dict.fromkeys(found)
        if any(sheet.has(*(kind + c for c in each)) for each in (CELL_BOX, *CELL_CENTRES))
    ]


def _cell_columns(sheet: Sheet) -> tuple[str, ...]:
    """Return the columns of boxes, or else of centres.

    Raises
    ------
    InputError
        If there are several kinds of objects.
    """
    kinds = _cell_kinds(sheet)
    if len(kinds) > 1:
        raise InputError(
            f"{sheet.path} has {len(kinds)} kinds of objects ({', '.join(kinds)}), and it cannot "
            "be known which are meant. Keep only the columns of one."
        )
    kind = kinds[0] if kinds else ""
    every = [tuple(kind + column for column in each) for each in (CELL_BOX, *CELL_CENTRES)]
    return next((each for each in every if sheet.has(*each)), CELL_CENTRES[0])


def read_cellprofiler(sheet: Sheet, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    columns = _cell_columns(sheet)
    boxed = len(columns) == len(CELL_BOX)
    sheet.require(columns, "table of CellProfiler")
    files = [name for name in sheet.names if name.startswith(CELL_IMAGES)]
    kept, which = rows_of_image(sheet, image, files)
    planes = _image_numbers(kept, options)
    depth = next((name for name in sheet.names if name.endswith("Location_Center_Z")), None)
    if depth is not None and any(kept.numbers(depth)):
        raise InputError(
            f"{sheet.path} is about objects of volumes ({depth}), which are not read. Save their "
            "middles as a plain table with the columns y, x and z."
        )
    first = 1 if options.first_plane is None else options.first_plane

    def make(row: Row) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
        values, place = row.values(columns), position_of(row, planes, first)
        # The largest row and column are those after the last.
        return [
            (box_between(values, half_open=True) if boxed else ShapePrompt([values], [1]), place)
        ]

    description = f"CellProfiler: {'boxes' if boxed else 'points'} from {', '.join(columns)}"
    name = "ObjectNumber" if sheet.has("ObjectNumber") else None
    return ParsedTable(
        (description, *((which,) if which else ()), *describe_planes(planes, first)),
        [entry_of(row, make, name) for row in kept.rows],
        planes,
        first,
        overrides=("first_plane",) * bool(planes),
    )


def _image_numbers(sheet: Sheet, options: TableOptions) -> dict[str, str]:
    """Return ImageNumber as the column of planes, if the options say so.

    Raises
    ------
    InputError
        If there are several, and the options do not.
    """
    if sheet.first_filled(["ImageNumber"]) is None or options.first_plane is not None:
        return {"": "ImageNumber"} if sheet.has("ImageNumber") else {}
    numbers = sorted(set(sheet.numbers("ImageNumber")))
    if len(numbers) > 1:
        raise InputError(
            f"{sheet.path} is about {len(numbers)} images (ImageNumber {numbers[0]:g} to "
            f"{numbers[-1]:g}). Keep only the rows of this image; if these are the planes of one "
            "stack, say what the first one is called: --first-plane 1 (in napari: first plane)."
        )
    return {}
