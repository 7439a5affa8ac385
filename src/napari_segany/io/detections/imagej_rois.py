"""ROIs of ImageJ and Fiji: a file of one, or a zip of several."""

import re
import struct
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_TYPE, ImagejRoi

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.detections.placement import box_of_size
from napari_segany.io.detections.polygons import CORNER, prompt_of_line, prompt_of_rings
from napari_segany.io.detections.types import (
    ParsedTable,
    PlanePosition,
    RowError,
    TableEntry,
    TableImage,
    TableOptions,
)

SUFFIXES = (".zip", ".roi")
"""Endings of files of ROIs, in lower case."""

_LARGEST = 2**26
"""Bytes of one ROI that are unpacked, at most."""

_AREAS = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED, ROI_TYPE.OVAL)
_LINES = (ROI_TYPE.LINE, ROI_TYPE.FREELINE, ROI_TYPE.POLYLINE, ROI_TYPE.ANGLE)

_PART = re.compile(r"(\d{6})-\d+")
"""Name of a part of an object in our own export."""


def read(path: Path, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    rois = _rois(path)
    groups: dict[Any, list[ImagejRoi]] = {}
    for number, (name, roi) in enumerate(rois):
        # The parts of an object in our own export are one object.
        part = _PART.fullmatch(name)
        groups.setdefault(part[1] if part else number, []).append(roi)
    names = [key if isinstance(key, str) else rois[key][0] for key in groups]
    entries = [
        TableEntry(number, f"ROI {number} ({name})", name, partial(_make, group))
        for number, (name, group) in enumerate(zip(names, groups.values(), strict=True), start=1)
    ]
    places = [place for _, roi in rois for place in [_place(roi)]]
    # Positions of a plain stack are slices, whatever the axis is.
    planes = {axis: axis or "position" for axis in dict.fromkeys(a for p in places for a in p)}
    if not rois:
        raise InputError(f"{path} holds no ROIs.")
    return ParsedTable(("ImageJ ROIs: boxes, outlines and points",), entries, planes, 1)


def _rois(path: Path) -> list[tuple[str, ImagejRoi]]:
    """Return the ROIs of a file with their names."""
    try:
        if path.suffix.lower() == ".roi":
            return [_roi(path.stem, path.read_bytes())]
        with zipfile.ZipFile(path) as zipped:
            entries = [e for e in zipped.infolist() if e.filename.lower().endswith(".roi")]
            if large := next((e for e in entries if e.file_size > _LARGEST), None):
                raise InputError(f"{path}: {large.filename!a} is too large for a ROI.")
            return [_roi(Path(e.filename).stem, zipped.read(e)) for e in entries]
    except (InputError, OSError):
        raise
    # Zip files and ROIs can be damaged in many ways.
    except Exception as error:
        raise InputError(
            f"{path} is damaged or holds no ROIs of ImageJ ({error}); save it again."
        ) from error


def _roi(name: str, content: bytes) -> tuple[str, ImagejRoi]:
    roi = ImagejRoi.frombytes(content)
    return str(roi.name or name), roi


def _place(roi: ImagejRoi) -> dict[str, int]:
    """Return the plane of a ROI, from 0; empty if it lies in each."""
    stated = {"T": roi.t_position, "Z": roi.z_position}
    place = {axis: int(n) - 1 for axis, n in stated.items() if n and n > 0}
    if not place and roi.position and roi.position > 0:
        place = {"": int(roi.position) - 1}
    return place


def _make(rois: Sequence[ImagejRoi]) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
    place = _place(rois[0])
    if len(rois) > 1:
        return [(prompt_of_rings([ring for roi in rois for ring in _rings(roi)]), place)]
    (roi,) = rois
    try:
        return [(_prompt(roi), place)]
    except (struct.error, ValueError, TypeError, AttributeError, IndexError) as error:
        if isinstance(error, RowError):
            raise
        raise RowError("its coordinates cannot be read") from error


def _prompt(roi: ImagejRoi) -> ShapePrompt:
    if roi.roitype == ROI_TYPE.POINT:
        # Whole numbers are pixels, others are positions from the corner.
        shift = 0.0 if roi.subpixel_coordinates is None else CORNER
        spots = _spots(roi.coordinates()) - shift
        return ShapePrompt(spots.tolist(), [1] * len(spots))
    if roi.roitype in _LINES:
        return prompt_of_line(_spots(roi.coordinates()) - CORNER)
    if roi.roitype == ROI_TYPE.RECT and not roi.composite:
        if roi.subpixelrect:
            return box_of_size(roi.yd, roi.xd, roi.heightd, roi.widthd)
        return box_of_size(roi.top, roi.left, roi.bottom - roi.top, roi.right - roi.left)
    if roi.roitype in _AREAS or roi.composite:
        return prompt_of_rings(_rings(roi))
    raise RowError(f"it is of the kind {roi.roitype.name.lower()}, no area, point or line")


def _rings(roi: ImagejRoi) -> list[NDArray[np.float64]]:
    """Return the outlines of an area as rows and columns, from the corner of the image."""
    return [_spots(each) for each in roi.coordinates(multi=True)]


def _spots(coordinates: Any) -> NDArray[np.float64]:
    spots = np.asarray(coordinates, np.float64)
    if spots.ndim != 2 or not len(spots) or not np.isfinite(spots).all():
        raise RowError("it has no coordinates")
    return spots[:, ::-1]
