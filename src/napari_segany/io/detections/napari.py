"""CSV files of napari's points and shapes layers."""

from functools import partial

import numpy as np

from napari_segany.core.shape_prompts import ShapePrompt, inside, prompts_of_shape
from napari_segany.errors import InputError
from napari_segany.io.detections.columns import check_label, position_of
from napari_segany.io.detections.placement import exceeds_plane
from napari_segany.io.detections.points import grouped_points
from napari_segany.io.detections.text_table import Row, Sheet
from napari_segany.io.detections.types import (
    ParsedTable,
    PlanePosition,
    RowError,
    TableEntry,
    TableImage,
    TableOptions,
)

KINDS = ("rectangle", "ellipse", "polygon", "line", "path")
SHAPES = ("index", "shape-type", "vertex-index")


def matches(sheet: Sheet) -> bool:
    """Return True if the columns are napari's."""
    return sheet.has("axis-0", "axis-1")


def read(sheet: Sheet, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    axes: list[str] = []
    while sheet.has(f"axis-{len(axes)}"):
        axes.append(f"axis-{len(axes)}")
    sheet.require(axes if len(axes) > 1 else ["axis-0", "axis-1"], "points or shapes of napari")
    planes = _planes(sheet, image, axes[:-2])
    # Positions in a viewer start at 0, whatever the number of the first plane.
    first = options.first_plane or 0
    spot = (axes[-2], axes[-1])
    where = f"planes from {', '.join(axes[:-2])}, counted from {first}" if axes[:-2] else ""
    overrides = ("first_plane",) * bool(axes[:-2])
    if not sheet.has("shape-type"):
        entries, more = grouped_points(sheet, spot, planes, first, rounded=True)
        description = f"napari points: points from {', '.join(spot)}{more}"
    else:
        sheet.require(SHAPES, "shapes of napari")
        entries, description = _shapes(sheet, spot, planes, first, image.shape), "napari shapes: "
        kinds = sorted({row.text("shape-type") for row in sheet.rows}, key=_order)
        description += (
            f"{' and '.join(f'{kind}s' for kind in kinds)} with vertices in {', '.join(spot)}"
        )
    return ParsedTable(
        tuple(p for p in (description, where) if p), entries, planes, first, True, overrides
    )


def _order(kind: str) -> int:
    return KINDS.index(kind) if kind in KINDS else len(KINDS)


def _planes(sheet: Sheet, image: TableImage, columns: list[str]) -> dict[str, str]:
    """Return the first columns by the image's axis; the channel axis may be among them."""
    if columns and not image.plane_is_last:
        raise InputError(
            f"{sheet.path} has positions along {len(columns) + 2} axes, of which the last two are "
            "rows and columns, and the view shows others. Put the axes in their own order first."
        )
    axes = list(image.axes) if len(columns) > len(image.leading) else list(image.leading)
    if len(columns) > len(axes):
        moving = [c for c in columns if len({round(v) for v in sheet.numbers(c)}) > 1]
        if moving:
            raise InputError(
                f"{sheet.path} has positions along {len(columns) + 2} axes and the image has "
                f"{len(axes) + 2}; delete the columns that do not belong to it."
            )
        return {}
    pairs = zip(axes[len(axes) - len(columns) :], columns, strict=True)
    return {axis: column for axis, column in pairs if axis != "C"}


def _shapes(
    sheet: Sheet, spot: tuple[str, str], planes: dict[str, str], first: int, shape: tuple[int, int]
) -> list[TableEntry]:
    """Return an entry per shape, whose vertices have the same index."""
    groups: dict[str, list[Row]] = {}
    for row in sheet.rows:
        groups.setdefault(row.text("index") or row.where, []).append(row)

    def make(rows: list[Row]) -> list[tuple[ShapePrompt, PlanePosition]]:
        rows = sorted(rows, key=lambda row: row.value("vertex-index"))
        kinds = {row.text("shape-type") for row in rows}
        kind = kinds.pop()
        if kinds or kind not in KINDS:
            raise RowError(f"{kind!r} is none of {', '.join(KINDS)}")
        check_label(rows[0], "label" if sheet.has("label") else None)
        places = {tuple(position_of(row, planes, first, True).items()) for row in rows}
        if len(places) > 1:
            raise RowError("its vertices lie in different planes")
        spots = np.array([row.values(spot) for row in rows])
        if kind in ("rectangle", "ellipse") and len(spots) != 4:
            raise RowError(f"it has {len(spots)} vertices, and {kind}s have 4")
        if np.ptp(spots, axis=0).max() == 0:
            raise RowError("it has no area")
        prompt = prompts_of_shape(kind, spots, 1, shape)
        if prompt.empty:
            outside = not inside(spots, shape).any()
            raise RowError("it lies outside the image" if outside else "it has no area")
        if prompt.box is not None and exceeds_plane(spots, shape):
            prompt.box = [*spots.min(axis=0).tolist(), *spots.max(axis=0).tolist()]
        return [(prompt, dict(places.pop()))]

    found = []
    for number, (index, rows) in enumerate(groups.items(), start=1):
        lines = f"{rows[0].line}-{rows[-1].line}" if len(rows) > 1 else f"{rows[0].line}"
        where = f"shape {number} (lines {lines})"
        found.append(TableEntry(number, where, index, partial(make, rows)))
    return found
