"""Reading of a file of boxes or points: choice of its dialect, and checks of its rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari_segany.errors import InputError
from napari_segany.io.detections import (
    coco,
    geojson,
    imagej,
    imagej_rois,
    napari,
    plain,
    qupath,
    region_tables,
    trackmate,
    yolo,
)
from napari_segany.io.detections.placement import PlaneResolver, clip_to_plane
from napari_segany.io.detections.text_table import Records, Sheet, read_text
from napari_segany.io.detections.types import (
    Detection,
    Detections,
    ParsedTable,
    RowError,
    TableImage,
    TableOptions,
    join_first,
)

TABLES = (".csv", ".tsv", ".txt", ".xls")
"""Endings of tables; ImageJ writes text as .xls."""


@dataclass(frozen=True)
class Dialect:
    """Table dialect of one program.

    Attributes
    ----------
    fits : callable
        Returns True for a sheet of the dialect.
    read : callable
        Parses a sheet.
    """

    matches: Callable[[Sheet], bool]
    read: Callable[[Sheet, TableImage, TableOptions], ParsedTable]


SHEETS: Mapping[str, Dialect] = {
    "trackmate": Dialect(trackmate.matches, trackmate.read),
    "qupath": Dialect(qupath.matches, qupath.read),
    "cellprofiler": Dialect(region_tables.cellprofiler_matches, region_tables.read_cellprofiler),
    "napari": Dialect(napari.matches, napari.read),
    "scikit-image": Dialect(region_tables.scikit_image_matches, region_tables.read_scikit_image),
    "napari-segany": Dialect(region_tables.ours_matches, region_tables.read_ours),
    "imagej": Dialect(imagej.matches, imagej.read),
    "plain": Dialect(plain.matches, plain.read),
    "plain-centred": Dialect(plain.centred_matches, plain.read_centred),
}
"""Dialects of tables with a header, by name; the first that matches is taken."""

DIALECTS = (*SHEETS, "coco", "yolo", "geojson", "rois")
"""Names of all dialects."""


def read_detections(
    path: str | Path, image: TableImage, options: TableOptions | None = None
) -> Detections:
    r"""Read boxes or points of one image.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.tsv``, ``.txt`` or ``.xls`` with a header, text in any usual encoding, with
        commas, semicolons or tabs; ``.json`` in COCO's format (a dataset or a list of results);
        ``.txt`` in YOLO's: class, and centre and size, or a polygon, as fractions of the image;
        ``.geojson`` (or ``.json``) of QuPath; ``.zip`` or ``.roi`` of ImageJ.
    image : TableImage
        The image that it is about.
    options : TableOptions, optional
        Options that override the file's own statements.

    Returns
    -------
    Detections
        Rows with which something is wrong are left out and named.

    Raises
    ------
    InputError
        If the file cannot be read, is not understood, may mean several things, or holds nothing
        that can be used.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "boxes.csv"
    ...     _ = path.write_text("x,y,width,height\n10,20,30,40\n")
    ...     found = read_detections(path, TableImage((100, 200)))
    >>> found.understood
    'plain table: boxes from y, x, height, width, the corner and the size'
    >>> [detection.box for detection in found]
    [[20.0, 10.0, 59.0, 39.0]]
    """
    path, options = Path(path), options or TableOptions()
    if options.dialect is not None and options.dialect not in DIALECTS:
        raise InputError(f"Dialects are {', '.join(DIALECTS)}, got {options.dialect!r}.")
    try:
        parsed = _parse(path, image, options)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _resolve(path, image, options, parsed)


def _parse(path: Path, image: TableImage, options: TableOptions) -> ParsedTable:
    ending, asked = path.suffix.lower(), options.dialect
    if asked == "rois" or (asked is None and ending in imagej_rois.SUFFIXES):
        return imagej_rois.read(path, image, options)
    is_geojson = ending == ".geojson" or (ending == ".json" and geojson.matches(path))
    if asked == "geojson" or (asked is None and is_geojson):
        return geojson.read(path, image, options)
    if options.dialect == "coco" or (options.dialect is None and ending == ".json"):
        return coco.read(path, image, options)
    if options.dialect is None and ending not in TABLES:
        raise InputError(
            f"{path} is neither a table ({', '.join(TABLES)}) nor .json (COCO) nor .txt (YOLO) nor "
            ".geojson (QuPath) nor .zip or .roi (ImageJ)."
        )
    text = read_text(path)
    looks_so = options.dialect is None and ending == ".txt" and yolo.matches(text)
    if options.dialect == "yolo" or looks_so:
        return yolo.read(path, text, image, options)
    records = Records.of(path, text)
    headers = records.headers()
    if not headers:
        raise InputError(f"{path} holds no boxes and no points.")
    for header in headers:
        sheet = records.sheet(header)
        for name, dialect in SHEETS.items():
            if (options.dialect or name) == name and dialect.matches(sheet):
                return _note_decimal_commas(sheet, dialect.read(sheet, image, options))
    # The error names the missing columns.
    sheet = records.sheet(headers[0])
    return _note_decimal_commas(
        sheet, SHEETS[options.dialect or "plain"].read(sheet, image, options)
    )


def _note_decimal_commas(sheet: Sheet, found: ParsedTable) -> ParsedTable:
    if not sheet.decimal_comma:
        return found
    return replace(found, descriptions=(*found.descriptions, "decimal commas"))


def _check_options(path: Path, options: TableOptions, table: ParsedTable) -> None:
    """Raise InputError if an option was given that the dialect has no use for."""
    given: dict[str, object] = {}
    if options.units == "calibrated":
        given["units"] = options.units
    if options.first_plane is not None and table.planes:
        given["first_plane"] = options.first_plane
    for name, value in given.items():
        if name not in table.overrides:
            option = f"{name.replace('_', ' ')} {value}"
            raise InputError(
                f"{path} is understood as {table.descriptions[0]}; {option} does not go with that. "
                "Leave it out, or say which dialect it is."
            )


def _resolve(
    path: Path, image: TableImage, options: TableOptions, table: ParsedTable
) -> Detections:
    """Place the rows in the image; skip and report those that cannot be used."""
    _check_options(path, options, table)
    skipped: dict[int, str] = {}
    prompts = []
    for each in table.entries:
        try:
            prompts += [(each, prompt, place) for prompt, place in each.make()]
        except RowError as error:
            skipped[each.number] = f"{each.where}: {error}"
    planes = PlaneResolver(
        image, table.planes, table.first_plane, [place for _, _, place in prompts]
    )
    if not table.first_is_known and options.first_plane is None:
        planes.check_count()
    found, notes = [], []
    for each, prompt, place in prompts:
        try:
            there = planes.of(place)
            if note := clip_to_plane(prompt, image.shape):
                notes.append(f"{each.where} {note}")
        except RowError as error:
            skipped[each.number] = f"{each.where}: {error}"
            continue
        parts = prompt.points, prompt.signs, prompt.box, prompt.outline
        found.append(Detection(*parts, each.number, each.where, each.id, there))
    reasons = tuple(reason for _, reason in sorted(skipped.items()))
    if not found:
        why = f" that can be used: {join_first(reasons)}" if reasons else ""
        raise InputError(f"{path} holds no boxes and no points{why}.")
    ids = {each.number: each.id for each in table.entries}
    return Detections(
        tuple(found),
        "; ".join(table.descriptions),
        ("dialect", *table.overrides),
        len(table.entries),
        tuple(ids.get(number, "") for number in range(1, max(ids) + 1)),
        reasons,
        tuple(dict.fromkeys(notes)),
    )
