"""Pixel size: how TIFF dialects state it, in one form, and back."""

import math
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

PixelSize = Mapping[str, tuple[float, str]]
"""Size and unit of one step along an axis, for example ``{"Y": (0.1, "um"), "T": (2.0, "s")}``."""

_UNITS = {
    "um": ("um", "µm", "μm", "micron", "microns", "micrometer", "micrometre", "\\u00b5m"),
    "nm": ("nm", "nanometer", "nanometre"),
    "mm": ("mm", "millimeter", "millimetre"),
    "cm": ("cm", "centimeter", "centimetre"),
    "m": ("m", "meter", "metre"),
    "s": ("s", "sec", "second", "seconds"),
    "ms": ("ms", "msec", "millisecond", "milliseconds"),
    "min": ("min", "minute", "minutes"),
}
_SPELLINGS = {spelling: unit for unit, all_ in _UNITS.items() for spelling in all_}

_PER_CM = {"nm": 1e7, "um": 1e4, "mm": 10.0, "cm": 1.0, "m": 0.01}
_UM_PER_INCH = 25_400.0

PRINTER_DPI = (72, 96, 100, 150, 200, 300, 600)
"""Dots an inch that programs write when they do not know the pixel size."""

_INCH, _CENTIMETRE = 2, 3


def _size(value: Any, unit: Any) -> tuple[float, str] | None:
    """A usable size, or None if it is unknown, zero or of an unknown unit."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    known = _SPELLINGS.get(str(unit).strip().lower())
    return (number, known) if known and math.isfinite(number) and number > 0 else None


def _keep_known(sizes: Mapping[str, tuple[float, str] | None]) -> PixelSize:
    return {axis: size for axis, size in sizes.items() if size is not None}


def from_ome(xml: str) -> PixelSize:
    """``PhysicalSizeX`` and so on of the first image of an OME-XML text."""
    try:
        elements = ElementTree.fromstring(xml.encode()).iter()
        pixels = next(e.attrib for e in elements if e.tag.rpartition("}")[2] == "Pixels")
    except (ElementTree.ParseError, StopIteration):
        return {}
    names = {axis: (f"PhysicalSize{axis}", "µm") for axis in "ZYX"} | {"T": ("TimeIncrement", "s")}
    return _keep_known(
        {
            axis: _size(pixels.get(name), pixels.get(f"{name}Unit", default))
            for axis, (name, default) in names.items()
        }
    )


def _per_unit(tag: Any) -> float | None:
    """Pixels a unit, from the value of a resolution tag."""
    try:
        numerator, denominator = tag
        per_unit = float(numerator) / float(denominator)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return per_unit if per_unit > 0 else None


def from_imagej(metadata: Mapping[str, Any], tags: Mapping[str, Any]) -> PixelSize:
    """ImageJ's unit, spacing and frame interval, with the resolution tags in pixels a unit."""
    unit = metadata.get("unit", "")
    inch = str(unit).strip().lower() in ("inch", "in")
    sizes: dict[str, tuple[float, str] | None] = {
        "T": _size(metadata.get("finterval"), metadata.get("tunit", "s"))
    }
    # A backslash escape is how ImageJ writes the micro sign.
    unit = "um" if inch else re.sub(r"^\\u00[bB]5", "u", str(unit))
    factor = _UM_PER_INCH if inch else 1.0
    if metadata.get("spacing") is not None:
        sizes["Z"] = _size(abs(float(metadata["spacing"])) * factor, unit)
    for axis, tag in (("Y", "YResolution"), ("X", "XResolution")):
        per_unit = _per_unit(tags.get(tag))
        sizes[axis] = _size(factor / per_unit, unit) if per_unit else None
    return _keep_known(sizes)


def from_resolution_tags(tags: Mapping[str, Any]) -> PixelSize:
    """The plain TIFF tags; resolutions that only mean a printer are not believed."""
    um_per_unit = {_INCH: _UM_PER_INCH, _CENTIMETRE: 1e4}.get(int(tags.get("ResolutionUnit", 0)))
    if um_per_unit is None:
        return {}
    sizes: dict[str, tuple[float, str] | None] = {}
    for axis, tag in (("Y", "YResolution"), ("X", "XResolution")):
        per_unit = _per_unit(tags.get(tag))
        dpi = (per_unit or 0) * _UM_PER_INCH / um_per_unit
        printer = any(abs(dpi - usual) < 0.01 for usual in PRINTER_DPI)
        sizes[axis] = _size(um_per_unit / per_unit, "um") if per_unit and not printer else None
    return _keep_known(sizes)


def to_ome(sizes: PixelSize) -> dict[str, Any]:
    """Attributes of OME's ``Pixels`` element."""
    attributes: dict[str, Any] = {}
    for axis, (value, unit) in sizes.items():
        name = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
        is_time = unit in ("s", "ms", "min")
        if axis in "TZYX" and is_time == (axis == "T"):
            attributes |= {name: value, f"{name}Unit": unit.replace("um", "µm")}
    return attributes


def to_resolution(sizes: PixelSize) -> tuple[float, float] | None:
    """Pixels a centimetre along X and Y for the TIFF tags, or None if unknown or out of reach."""
    per_cm = []
    for axis in "XY":
        value, unit = sizes.get(axis, (0.0, ""))
        resolution = _PER_CM[unit] / value if unit in _PER_CM else 0.0
        # The tag is a ratio of two 32-bit numbers.
        if not 1e-6 < resolution < 2**32:
            return None
        per_cm.append(resolution)
    return per_cm[0], per_cm[1]


_NAMES = {
    "nm": "nanometer",
    "um": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "ms": "millisecond",
    "s": "second",
    "min": "minute",
}
"""Units as OME-Zarr spells them."""


def to_name(unit: str) -> str | None:
    """OME-Zarr's name of a unit."""
    return _NAMES.get(unit)


def from_names(steps: Mapping[str, float], units: Mapping[str, str]) -> PixelSize:
    """Sizes along axes for which a known unit is stated."""
    return _keep_known({axis: _size(steps[axis], unit) for axis, unit in units.items()})


def describe(sizes: PixelSize) -> str:
    """In words, such as "pixel 0.5 x 0.1 x 0.1 um (Z, Y, X)"; empty if nothing is known."""
    axes = [axis for axis in "ZYX" if axis in sizes]
    parts = []
    if axes:
        units = {sizes[axis][1] for axis in axes}
        shared = units.pop() if len(units) == 1 else ""
        numbers = [f"{sizes[a][0]:.4g}" + ("" if shared else f" {sizes[a][1]}") for a in axes]
        text = "pixel " + " x ".join(numbers) + (f" {shared}" if shared else "")
        parts.append(text + ("" if axes == ["Y", "X"] else f" ({', '.join(axes)})"))
    if "T" in sizes:
        parts.append(f"every {sizes['T'][0]:.4g} {sizes['T'][1]}")
    return ", ".join(parts)
