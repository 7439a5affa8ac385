"""Values and options that several subcommands share; torch-free."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any


def numbers(text: str, *counts: int) -> tuple[float, ...]:
    """Numbers separated by commas, as many as one of ``counts``."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in counts or not all(math.isfinite(v) for v in values):
        wanted = " or ".join(str(n) for n in counts)
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted} numbers with commas between")
    return values


def point(text: str) -> tuple[float, float, int]:
    """``R,C``, ``R,C,+`` (on the object) or ``R,C,-`` (off it)."""
    place, _, sign = text.rpartition(",") if text.endswith((",+", ",-")) else (text, "", "+")
    row, col = numbers(place, 2)
    return row, col, int(sign == "+")


def box(text: str) -> tuple[float, ...]:
    """``R0,C0,R1,C1``."""
    return numbers(text, 4)


def whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers from 0 on with commas between."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not whole numbers with commas between")
    return tuple(int(part) for part in parts)


def normalise(text: str) -> str | tuple[tuple[float, float], ...]:
    """``plane``, ``stack``, ``LOW,HIGH``, or two or three such pairs."""
    if text in ("plane", "stack"):
        return text
    values = numbers(text, 2, 4, 6)
    return tuple((values[i], values[i + 1]) for i in range(0, len(values), 2))


def plane_ranges(text: str) -> tuple[tuple[str, int, int], ...]:
    """``A:B``, ``A``, or such with axes by name, ``T=0:5,Z=3``; without a name the last axis."""
    found = []
    for part in text.split(","):
        axis, _, span = part.rpartition("=")
        first, colon, end = span.strip().partition(":")
        if not (first.isdecimal() and (end.isdecimal() or not colon)) or len(axis.strip()) > 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not FIRST:END or such as T=0:5,Z=10:20")
        start = int(first)
        found.append((axis.strip().upper(), start, int(end) if colon else start + 1))
    return tuple(found)


def series(text: str) -> int | str:
    """A whole number from 0 on, or ``all``."""
    if text != "all" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number from 0 on nor all")
    return text if text == "all" else int(text)


def axes(text: str) -> str:
    """Axis letters in upper case, or ``auto``."""
    return text if text == "auto" else text.upper()


def folder(text: str) -> Path:
    """A path that is not empty: a variable that is not set would be where one is."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; . is the folder that you are in")
    return Path(text)


def add_output(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add ``-o`` and what to do about files that are there already."""
    parser.add_argument(
        "-o",
        "--output",
        type=folder,
        required=default is None,
        default=None if default is None else Path(default),
        metavar="OUT",
        help="folder for the results" + (f" (default: {default})" if default else ""),
    )


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add which files to write."""
    group = parser.add_argument_group("files")
    group.add_argument(
        "--labels",
        choices=("tiff", "zarr"),
        default="tiff",
        help="label image as OME-TIFF or OME-Zarr (default: tiff)",
    )
    group.add_argument(
        "--table-format",
        choices=("csv", "parquet"),
        default="csv",
        help="how the table of objects is written (default: csv)",
    )
    group.add_argument(
        "--export",
        nargs="+",
        choices=("coco", "rois", "yolo", "overlays", "masks"),
        default=[],
        metavar="KIND",
        help="also write coco (JSON of instances), rois (for ImageJ), yolo (polygons as text), "
        "overlays (every plane outlined, a TIFF stack), masks (each mask whole, a TIFF stack)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add which model, where and how it computes."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        help="name from `napari-segany models list`, or a checkpoint file (default: auto)",
    )
    group.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    group.add_argument("--precision", help="auto, exact or bfloat16 (default: auto)")


def add_image(parser: argparse.ArgumentParser, brightness: bool = True) -> None:
    """Add how an image file is to be understood, and how bright it is to be seen."""
    group = parser.add_argument_group("image")
    options: list[tuple[str, Callable[[str], Any], str, str]] = [
        (
            "--series",
            series,
            "N|all",
            "which image of a file that holds several, from 0, or all of them; results are called "
            "NAME_s0, NAME_s1 and so on (default: the first, as NAME)",
        ),
        (
            "--axes",
            axes,
            "AXES",
            "one letter a dimension of T, Z, C, Y, X, S (colour), such as TZYX "
            "(default, and auto: as the file says)",
        ),
        (
            "--channel",
            whole_numbers,
            "C",
            "channel to look at, from 0, or two or three to be seen as red, green and blue "
            "(default: 0)",
        ),
        (
            "--normalise",
            normalise,
            "HOW",
            "intensity limits: plane or stack (percentiles 1 and 99.8), or LOW,HIGH (default: "
            "plane)",
        ),
    ]
    for name, kind, metavar, text in options if brightness else options[:-1]:
        group.add_argument(name, type=kind, metavar=metavar, help=text)
