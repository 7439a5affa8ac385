"""Pixel sizes of TIFF files, by dialect."""

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_segany.io import pixel_size as sizes
from napari_segany.io.pixel_size import PixelSize

_FLUOVIEW_AXES = {"X": "X", "Y": "Y", "Z": "Z", "T": "T", "TIME": "T"}


def pixel_size_of(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    """Return the pixel size of a series; empty if the file does not state it."""
    for kind, read in DIALECTS.items():
        if getattr(tiff, f"is_{kind}"):
            try:
                found: PixelSize = read(tiff, series)
            # Metadata can be wrong in any way, and an image without a size is an image.
            except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError):
                found = {}
            if found or kind == "ome":
                return found
    return sizes.from_resolution_tags(_tags(series))


def _tags(series: Any) -> dict[str, Any]:
    tags = series.keyframe.tags
    names = ("XResolution", "YResolution", "ResolutionUnit")
    return {name: tags.valueof(name) for name in names if name in tags}


def _ome(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    xml = tiff.ome_metadata or ""
    described = sum(e.tag.endswith("}Pixels") for e in ElementTree.fromstring(xml.encode()).iter())
    # Images without data are described, but are no series.
    number = tiff.series.index(series) if described == len(tiff.series) else 0
    return sizes.from_ome(xml, number)


def _imagej(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    metadata = tiff.imagej_metadata or {}
    if not {"unit", "xunit", "yunit"} & set(metadata):
        return {}
    return sizes.from_imagej(metadata, _tags(series))


def _lsm(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    metadata = tiff.lsm_metadata or {}
    found = {axis: (metadata[f"VoxelSize{axis}"] * 1e6, "um") for axis in "ZYX"}
    return sizes.keep_known(found | {"T": (metadata.get("TimeIntervall", 0), "s")})


def _stk(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    metadata = tiff.stk_metadata or {}
    unit = metadata.get("CalibrationUnits", "")
    found = {axis: (_number(metadata.get(f"{axis}Calibration")), unit) for axis in "YX"}
    if not metadata.get("SpatialCalibration", 1):
        found = {}
    steps = np.abs(np.array([_number(n) for n in np.ravel(metadata.get("ZDistance", 0))]))
    if steps.size and (steps == steps[0]).all():
        found["Z"] = (float(steps[0]), unit)
    return sizes.keep_known(found)


def _fluoview(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    dimensions = (tiff.fluoview_metadata or {})["Dimensions"]
    found = {
        _FLUOVIEW_AXES[name.upper()]: (step, unit)
        for name, _, _, step, unit in dimensions
        if name.upper() in _FLUOVIEW_AXES
    }
    return sizes.keep_known(found)


def _metaseries(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    plane = (tiff.metaseries_metadata or {})["PlaneInfo"]
    unit = plane["spatial-calibration-units"]
    return sizes.keep_known(
        {axis: (plane[f"spatial-calibration-{axis.lower()}"], unit) for axis in "YX"}
    )


def _svs(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    # Aperio's description is text: "... |AppMag = 20|MPP = 0.4990|...".
    found = re.search(r"\bMPP\s*=\s*([0-9.]+)", tiff.pages.first.description)
    return sizes.keep_known(dict.fromkeys("YX", (found[1], "um"))) if found else {}


def _sis(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    metadata = tiff.sis_metadata or {}
    return sizes.keep_known(
        {axis: (metadata[f"pixelsize{axis.lower()}"] * 1e6, "um") for axis in "YX"}
    )


def _micromanager(tiff: tifffile.TiffFile, series: Any) -> PixelSize:
    summary = (tiff.micromanager_metadata or {})["Summary"]
    size, step = summary.get("PixelSize_um", 0), summary.get("z-step_um", 0)
    return sizes.keep_known({"Z": (step, "um"), "Y": (size, "um"), "X": (size, "um")})


def _number(value: Any) -> float:
    """Return a number, or the ratio of a pair of them, as in old tags."""
    if np.size(value) == 2:
        numerator, denominator = (float(n) for n in value)
        return numerator / denominator if denominator else 0.0
    return float(value)


DIALECTS = {
    "ome": _ome,
    "imagej": _imagej,
    "lsm": _lsm,
    "stk": _stk,
    "fluoview": _fluoview,
    "metaseries": _metaseries,
    "svs": _svs,
    "sis": _sis,
    "micromanager": _micromanager,
}
"""Readers of the dialects that keep sizes in places of their own, the most certain first."""
