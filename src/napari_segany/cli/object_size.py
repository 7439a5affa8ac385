"""Sizes of objects on the command line: in pixels, or as a length for images with a pixel size."""

import argparse
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.core.units import LENGTHS, convert
from napari_segany.errors import InputError

if TYPE_CHECKING:
    from napari_segany.io.pixel_size import PixelSize

SIZE_HELP = "A number of pixels, or a length such as 12um if the images state their pixel size."
"""Values of the option."""

EQUAL = 0.01
"""Relative difference of pixel sizes up to which they count as equal."""


@dataclass(frozen=True)
class Length:
    """A length in a unit of :data:`napari_segany.core.units.LENGTHS`."""

    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.value:g}{self.unit}"


def object_size(text: str) -> float | Length:
    """Read a number of pixels, or a length with its unit, as argparse does.

    Examples
    --------
    >>> object_size("25")
    25.0
    >>> object_size("12 µm")
    Length(value=12.0, unit='um')
    """
    found = re.fullmatch(r"\s*([0-9.eE+-]+)\s*([^\W\d]*)\s*", text)
    try:
        value = float(found[1] if found else "")
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not above 0; give pixels, or a length such as 12um"
        )
    text_of_unit = found[2] if found else ""
    if text_of_unit in ("", "px", "pixels"):
        return value
    from napari_segany.io.pixel_size import read_unit

    unit, factor = read_unit(text_of_unit) or ("", 1.0)
    if unit not in LENGTHS:
        raise argparse.ArgumentTypeError(
            f"{text!r} has no known unit; give pixels, or one of {', '.join(LENGTHS)}"
        )
    return Length(value * factor, unit)


def settle_object_size(args: argparse.Namespace, paths: Iterable[Path]) -> None:
    """Turn a length among the options into pixels of the images.

    Images that cannot be read are left to the batch, which says so.

    Parameters
    ----------
    args : Namespace
        The options, with ``object_size`` if it was given.
    paths : iterable of Path
        The images.

    Raises
    ------
    InputError
        If an image does not state its pixel size, or two have different ones.
    """
    asked: Any = getattr(args, "object_size", None)
    if not isinstance(asked, Length):
        return
    from napari_segany.io.read import open_image

    first: tuple[Path, float] | None = None
    for path in paths:
        try:
            with open_image(path, axes=args.axes or "") as image:
                sizes = image.pixel_size
        except InputError:
            continue
        pixels = in_pixels(asked, sizes, path)
        if first is None:
            first = path, pixels
        elif not math.isclose(pixels, first[1], rel_tol=EQUAL):
            raise InputError(
                f"{asked} is {first[1]:.4g} pixels of {first[0].name} and {pixels:.4g} pixels of "
                f"{path.name}. Run images of different pixel sizes one after the other, or give "
                "--object-size in pixels."
            )
    if first is None:
        raise InputError(f"No image could be read, so {asked} is not known in pixels.")
    args.object_size = first[1]


def in_pixels(length: Length, sizes: "PixelSize", path: Path) -> float:
    """Return a length in pixels of an image.

    Parameters
    ----------
    length : Length
        The length.
    sizes : mapping
        Pixel size of the image.
    path : Path
        Its file, for messages.

    Raises
    ------
    InputError
        If the pixel size is not known, or pixels are no squares.
    """
    if not {"Y", "X"} <= set(sizes):
        raise InputError(
            f"{path.name} does not state its pixel size, so {length} is not known in pixels; give "
            "--object-size in pixels."
        )
    rows, cols = (convert(1.0, sizes[axis][1], length.unit) for axis in "YX")
    assert rows is not None
    assert cols is not None
    height, width = sizes["Y"][0] * rows, sizes["X"][0] * cols
    if not math.isclose(height, width, rel_tol=EQUAL):
        raise InputError(
            f"Pixels of {path.name} are no squares ({height:.4g} x {width:.4g} {length.unit}), so "
            f"{length} is not one number of pixels; give --object-size in pixels."
        )
    return round(length.value / width, 2)
