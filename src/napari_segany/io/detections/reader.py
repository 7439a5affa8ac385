"""Reading a file of boxes or points: whose dialect it is, and what is left of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_segany.errors import InputError
from napari_segany.io.detections import (
    coco,
    generic,
    imagej,
    napari,
    qupath,
    region_tables,
    trackmate,
    yolo,
)
from napari_segany.io.detections.fitting import Planes, fit
from napari_segany.io.detections.text_table import Records, Sheet, read_text
from napari_segany.io.detections.types import (
    Choices,
    Detection,
    Detections,
    RowError,
    TableImage,
    Understood,
    several,
)

TABLES = (".csv", ".tsv", ".txt", ".xls")
"""Endings of tables; ImageJ calls text .xls."""


@dataclass(frozen=True)
class Dialect:
    """The way in which one program writes tables.

    Attributes
    ----------
    fits : callable
        Whether a sheet is one of its own.
    read : callable
        What a sheet says.
    """

    fits: Callable[[Sheet], bool]
    read: Callable[[Sheet, TableImage, Choices], Understood]


SHEETS: Mapping[str, Dialect] = {
    "trackmate": Dialect(trackmate.fits, trackmate.read),
    "qupath": Dialect(qupath.fits, qupath.read),
    "cellprofiler": Dialect(region_tables.cellprofiler_fits, region_tables.read_cellprofiler),
    "napari": Dialect(napari.fits, napari.read),
    "scikit-image": Dialect(region_tables.scikit_image_fits, region_tables.read_scikit_image),
    "napari-segany": Dialect(region_tables.ours_fits, region_tables.read_ours),
    "imagej": Dialect(imagej.fits, imagej.read),
    "plain": Dialect(generic.fits, generic.read),
    "plain-centred": Dialect(generic.centred_fits, generic.read_centred),
}
"""Dialects of tables with a header, by name; the first that fits is taken."""

DIALECTS = (*SHEETS, "coco", "yolo")
"""Names of all dialects."""


def read_detections(
    path: str | Path, image: TableImage, choices: Choices | None = None
) -> Detections:
    """Read boxes or points of one image.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.tsv``, ``.txt`` or ``.xls`` with a header, text in any usual encoding, with
        commas, semicolons or tabs; ``.json`` in COCO's format (a dataset or a list of results);
        ``.txt`` in YOLO's: class, and centre and size, or a polygon, as fractions of the image.
    image : TableImage
        The image that it is about.
    choices : Choices, optional
        What is not left to the file.

    Returns
    -------
    Detections
        Rows with which something is wrong are left out and named.

    Raises
    ------
    InputError
        If the file cannot be read, is not understood, may mean several things, or holds nothing
        that can be used.
    """
    path, choices = Path(path), choices or Choices()
    if choices.dialect is not None and choices.dialect not in DIALECTS:
        raise InputError(f"Dialects are {', '.join(DIALECTS)}, got {choices.dialect!r}.")
    try:
        understood = _understand(path, image, choices)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _checked(path, image, choices, understood)


def _understand(path: Path, image: TableImage, choices: Choices) -> Understood:
    ending = path.suffix.lower()
    if choices.dialect == "coco" or (choices.dialect is None and ending == ".json"):
        return coco.read(path, image, choices)
    if choices.dialect is None and ending not in TABLES:
        raise InputError(
            f"{path} is neither a table ({', '.join(TABLES)}) nor .json (COCO) nor .txt (YOLO)."
        )
    text = read_text(path)
    looks_so = choices.dialect is None and ending == ".txt" and yolo.fits(text)
    if choices.dialect == "yolo" or looks_so:
        return yolo.read(path, text, image, choices)
    records = Records.of(path, text)
    headers = records.headers()
    if not headers:
        raise InputError(f"{path} holds no boxes and no points.")
    for header in headers:
        sheet = records.sheet(header)
        for name, dialect in SHEETS.items():
            if (choices.dialect or name) == name and dialect.fits(sheet):
                return _with_commas(sheet, dialect.read(sheet, image, choices))
    # It says what is missing.
    sheet = records.sheet(headers[0])
    return _with_commas(sheet, SHEETS[choices.dialect or "plain"].read(sheet, image, choices))


def _with_commas(sheet: Sheet, found: Understood) -> Understood:
    if not sheet.decimal_comma:
        return found
    said = (*found.said, "decimal commas")
    return Understood(
        said, found.entries, found.planes, found.first_plane, found.first_is_sure, found.overrides
    )


def _check_choices(path: Path, choices: Choices, all_: Understood) -> None:
    """Raise InputError if something was said that the dialect has no use for."""
    said: dict[str, object] = {}
    if choices.units == "calibrated":
        said["units"] = choices.units
    if choices.first_plane is not None and all_.planes:
        said["first_plane"] = choices.first_plane
    for name, value in said.items():
        if name not in all_.overrides:
            raise InputError(
                f"{path} is understood as {all_.said[0]}; {name.replace('_', ' ')} {value} does "
                "not go with that. Leave it out, or say which dialect it is."
            )


def _checked(path: Path, image: TableImage, choices: Choices, all_: Understood) -> Detections:
    """The rows that can be used in the image."""
    _check_choices(path, choices, all_)
    skipped: dict[int, str] = {}
    asked = []
    for each in all_.entries:
        try:
            asked += [(each, sketch, place) for sketch, place in each.make()]
        except RowError as error:
            skipped[each.number] = f"{each.where}: {error}"
    planes = Planes(image, all_.planes, all_.first_plane, [place for _, _, place in asked])
    if not all_.first_is_sure and choices.first_plane is None:
        planes.check_count()
    found, notes = [], []
    for each, sketch, place in asked:
        try:
            there = planes.of(place)
            if note := fit(sketch, image.shape):
                notes.append(f"{each.where} {note}")
        except RowError as error:
            skipped[each.number] = f"{each.where}: {error}"
            continue
        parts = sketch.points, sketch.signs, sketch.box, sketch.outline
        found.append(Detection(*parts, each.number, each.where, each.id, there))
    reasons = tuple(reason for _, reason in sorted(skipped.items()))
    if not found:
        why = f" that can be used: {several(reasons)}" if reasons else ""
        raise InputError(f"{path} holds no boxes and no points{why}.")
    ids = {each.number: each.id for each in all_.entries}
    return Detections(
        tuple(found),
        "; ".join(all_.said),
        ("dialect", *all_.overrides),
        len(all_.entries),
        tuple(ids.get(number, "") for number in range(1, max(ids) + 1)),
        reasons,
        tuple(dict.fromkeys(notes)),
    )
