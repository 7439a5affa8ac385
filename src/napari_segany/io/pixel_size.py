"""Pixel sizes: conversion from and to the statements of file formats."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from napari_segany.core.units import LENGTHS, TIMES
from napari_segany.errors import InputError

PixelSize = Mapping[str, tuple[float, str]]
"""Size and unit of one step along an axis, for example ``{"Y": (0.1, "um"), "T": (2.0, "s")}``."""


@dataclass(frozen=True)
class _Unit:
    """Spellings of a unit: OME's symbol, OME-Zarr's name, and others that are accepted."""

    symbol: str
    name: str
    others: tuple[str, ...] = ()


_UNITS = {
    "pm": _Unit("pm", "picometer", ("picometre",)),
    "angstrom": _Unit("Å", "angstrom", ("ångström", "ångstrom", "angström", "a\u030a")),
    "nm": _Unit("nm", "nanometer", ("nanometre",)),
    # Two characters look like the micro sign: its own, and the Greek letter.
    "um": _Unit("\u00b5m", "micrometer", ("um", "\u03bcm", "micron", "micrometre")),
    "mm": _Unit("mm", "millimeter", ("millimetre",)),
    "cm": _Unit("cm", "centimeter", ("centimetre",)),
    "m": _Unit("m", "meter", ("metre",)),
    "ns": _Unit("ns", "nanosecond", ("nsec",)),
    "us": _Unit("\u00b5s", "microsecond", ("us", "\u03bcs", "usec")),
    "ms": _Unit("ms", "millisecond", ("msec",)),
    "s": _Unit("s", "second", ("sec",)),
    "min": _Unit("min", "minute"),
    "h": _Unit("h", "hour", ("hr",)),
    "d": _Unit("d", "day"),
}
_SPELLINGS = {
    spelling: unit
    for unit, known in _UNITS.items()
    for spelling in (known.symbol.lower(), known.name, *known.others)
}

ACCEPTED_UNITS = ", ".join([*_UNITS, "inch"])
"""Accepted units, in the spelling that this package writes."""

_INCHES = ("inch", "inches", "in")
_UM_PER_INCH = 25_400.0

PRINTER_DPI = (72, 96, 100, 150, 200, 300, 600)
"""Dots per inch that programs write when they do not know the pixel size."""

_INCH, _CENTIMETRE = 2, 3


def read_unit(text: Any) -> tuple[str, float] | None:
    """Return the unit that a text means, and its factor; None if it means none.

    Examples
    --------
    >>> read_unit("microns")
    ('um', 1.0)
    """
    # ImageJ writes letters that are not ASCII as escapes.
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), str(text))
    plain = plain.strip().lower()
    if plain in _INCHES:
        return "um", _UM_PER_INCH
    known = _SPELLINGS.get(plain) or _SPELLINGS.get(plain.removesuffix("s"))
    return None if known is None else (known, 1.0)


def _size(value: Any, unit: Any) -> tuple[float, str] | None:
    """Return a usable size, or None if it is unknown, zero or of an unknown unit."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    known = read_unit(unit)
    if known is None or not math.isfinite(number * known[1]) or number <= 0:
        return None
    return number * known[1], known[0]


def check_sizes(sizes: PixelSize) -> PixelSize:
    """Return the sizes that a user gave, in the units that this package writes.

    Raises
    ------
    InputError
        If one is no length or time above 0.

    Examples
    --------
    >>> check_sizes({"Y": (100, "nanometer"), "X": (0.1, "micron")})
    {'Y': (100.0, 'nm'), 'X': (0.1, 'um')}
    """
    if not isinstance(sizes, Mapping):
        raise InputError(f'Pixel sizes are such as {{"Y": (0.1, "um")}}, got {sizes!r}.')
    checked = {}
    for axis, given in sizes.items():
        pair: tuple[Any, ...] = given if isinstance(given, tuple | list) else (given,)
        size = _size(*pair) if len(pair) == 2 else None
        if size is None or not _fits(axis, size):
            raise InputError(
                f"The pixel size along {axis} is {given!r}; give a number above 0 and a unit for "
                f"Z, Y and X (such as (0.1, 'um')) or T (such as (5.0, 's')). Units are "
                f"{ACCEPTED_UNITS}."
            )
        checked[axis] = size
    return checked


def _fits(axis: str, size: tuple[float, str]) -> bool:
    """Return True for a time along T, or a length along an axis of space."""
    return axis in tuple("TZYX") and size[1] in (TIMES if axis == "T" else LENGTHS)


def _known_only(sizes: Mapping[str, tuple[float, str] | None]) -> PixelSize:
    return {axis: size for axis, size in sizes.items() if size is not None}


def keep_known(stated: Mapping[str, tuple[Any, Any]]) -> PixelSize:
    """Return those of the stated values and units along axes that are sizes."""
    return _known_only({axis: _size(value, unit) for axis, (value, unit) in stated.items()})


def from_ome(xml: str, number: int = 0) -> PixelSize:
    """Return ``PhysicalSizeX`` and so on of one image of an OME-XML text, by its number from 0."""
    try:
        elements = ElementTree.fromstring(xml.encode()).iter()
        pixels = [e.attrib for e in elements if e.tag.rpartition("}")[2] == "Pixels"][number]
    except (ElementTree.ParseError, IndexError):
        return {}
    names = {axis: (f"PhysicalSize{axis}", "µm") for axis in "ZYX"} | {"T": ("TimeIncrement", "s")}
    return _known_only(
        {
            axis: _size(pixels.get(name), pixels.get(f"{name}Unit", default))
            for axis, (name, default) in names.items()
        }
    )


def _per_unit(tag: Any) -> float | None:
    """Return pixels per unit, from the value of a resolution tag."""
    try:
        numerator, denominator = tag
        per_unit = float(numerator) / float(denominator)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return per_unit if per_unit > 0 else None


def from_imagej(metadata: Mapping[str, Any], tags: Mapping[str, Any]) -> PixelSize:
    """Return sizes from ImageJ's units, spacing and interval, and its resolution tags.

    Examples
    --------
    >>> tags = {"XResolution": (10, 1), "YResolution": (10, 1)}
    >>> from_imagej({"unit": "micron", "spacing": 0.5}, tags)
    {'Z': (0.5, 'um'), 'Y': (0.1, 'um'), 'X': (0.1, 'um')}
    """
    unit = metadata.get("unit", "")
    sizes: dict[str, tuple[float, str] | None] = {
        "T": _size(metadata.get("finterval"), metadata.get("tunit", "s")),
        "Z": _size(_absolute(metadata.get("spacing")), metadata.get("zunit", unit)),
    }
    for axis, tag, own in (("Y", "YResolution", "yunit"), ("X", "XResolution", "xunit")):
        per_unit = _per_unit(tags.get(tag))
        sizes[axis] = _size(1 / per_unit, metadata.get(own, unit)) if per_unit else None
    return _known_only(sizes)


def _absolute(value: Any) -> Any:
    """Return the absolute spacing; ImageJ's is negative in stacks that were reversed."""
    return abs(value) if isinstance(value, int | float) else None


def from_resolution_tags(tags: Mapping[str, Any]) -> PixelSize:
    """Return sizes from plain TIFF tags, without resolutions that only mean a printer."""
    um_per_unit = {_INCH: _UM_PER_INCH, _CENTIMETRE: 1e4}.get(int(tags.get("ResolutionUnit", 0)))
    if um_per_unit is None:
        return {}
    sizes: dict[str, tuple[float, str] | None] = {}
    for axis, tag in (("Y", "YResolution"), ("X", "XResolution")):
        per_unit = _per_unit(tags.get(tag))
        dpi = (per_unit or 0) * _UM_PER_INCH / um_per_unit
        printer = any(abs(dpi - usual) < 0.01 for usual in PRINTER_DPI)
        sizes[axis] = _size(um_per_unit / per_unit, "um") if per_unit and not printer else None
    return _known_only(sizes)


def to_ome(sizes: PixelSize) -> dict[str, Any]:
    """Return the attributes of OME's ``Pixels`` element."""
    attributes: dict[str, Any] = {}
    for axis, (value, unit) in sizes.items():
        name = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
        if _fits(axis, (value, unit)):
            attributes |= {name: value, f"{name}Unit": _UNITS[unit].symbol}
    return attributes


def to_resolution(sizes: PixelSize) -> tuple[float, float] | None:
    """Return pixels per centimetre along X and Y for TIFF tags; None if unknown or out of range."""
    per_cm = []
    for axis in "XY":
        value, unit = sizes.get(axis, (0.0, ""))
        resolution = LENGTHS["cm"] / LENGTHS[unit] / value if unit in LENGTHS else 0.0
        # The tag is a ratio of two 32-bit numbers.
        if not 1e-6 < resolution < 2**32:
            return None
        per_cm.append(resolution)
    return per_cm[0], per_cm[1]


def to_name(unit: str) -> str | None:
    """Return OME-Zarr's name of a unit."""
    return _UNITS[unit].name if unit in _UNITS else None


def from_names(steps: Mapping[str, float], units: Mapping[str, str]) -> PixelSize:
    """Return the sizes along axes that have a known unit which fits the axis."""
    found = _known_only({axis: _size(steps[axis], unit) for axis, unit in units.items()})
    return {axis: size for axis, size in found.items() if _fits(axis, size)}


def describe(sizes: PixelSize) -> str:
    """Describe sizes, such as "pixel 0.5 x 0.1 x 0.1 um (Z, Y, X)"; empty if none is known.

    Examples
    --------
    >>> describe({"Z": (0.5, "um"), "Y": (0.1, "um"), "X": (0.1, "um"), "T": (2.0, "s")})
    'pixel 0.5 x 0.1 x 0.1 um (Z, Y, X), every 2 s'
    """
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
