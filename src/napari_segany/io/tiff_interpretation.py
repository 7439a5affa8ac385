"""Interpretation of a TIFF series' pixels: colours, channels, planes, and inverted grey.

Stated metadata is used; each guess gives a note naming the option that overrides it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC

from napari_segany.core.planes import guess_axes
from napari_segany.errors import InputError

Pixels = NDArray[np.generic]

_UNNAMED = "QIZT"
"""Letters for axes without a name of their own, in the order they are given out."""

_COLOUR_SAMPLES = (1, 3, 4)
_ALPHA = (1, 2)
"""Values of the tag ExtraSamples that mean transparency."""

_REFUSED = {
    PHOTOMETRIC.SEPARATED: "in printing colours (CMYK)",
    PHOTOMETRIC.CIELAB: "in CIE L*a*b* colours",
    PHOTOMETRIC.ICCLAB: "in CIE L*a*b* colours",
    PHOTOMETRIC.ITULAB: "in CIE L*a*b* colours",
    PHOTOMETRIC.LOGLUV: "in logarithmic LUV colours",
    PHOTOMETRIC.LOGL: "in logarithmic luminances",
    PHOTOMETRIC.CFA: "the raw mosaic of a camera's colour filters",
}

_DECODED_YCBCR = (6, 7, 33003, 33005, 34712)
"""Compressions of the JPEG family, whose decoders give RGB."""

_NAMED_KINDS = ("ome", "lsm", "imagej", "fluoview", "stk", "mmstack", "ndtiff", "scn", "qpi")
"""Dialects that name their axes."""

_INTENSITY_KINDS = ("lsm", "fluoview", "stk")
"""Dialects of microscopes whose palettes are for display."""

_FALLS = 0.05
"""Fraction of its range by which a palette of intensities may become darker."""


@dataclass(frozen=True)
class PixelInterpretation:
    """Axes and pixel conversion of a series.

    Attributes
    ----------
    axes : str
        One letter a dimension, of those that this package knows.
    notes : tuple of str
        Notes about guesses, a sentence each.
    convert : callable, optional
        Makes intensities or colours of stored pixels.
    dtype : dtype
        Type of the pixels after conversion.
    added : tuple of int
        Lengths of axes that it adds at the end.
    """

    axes: str
    notes: tuple[str, ...]
    dtype: np.dtype[Any]
    convert: Callable[[Pixels], Pixels] | None = None
    added: tuple[int, ...] = ()


def interpret_series(
    tiff: tifffile.TiffFile, series: Any, path: Path, axes: str = "", stored: bool = False
) -> PixelInterpretation:
    """Find axes, colours and brightness of a series.

    Parameters
    ----------
    tiff : tifffile.TiffFile
        The file.
    series : tifffile.TiffPageSeries
        Series of the file.
    path : Path
        Path named in errors.
    axes : str, optional
        Axes that the user stated: they replace notes about guesses, and decide between the values
        and the colours of a palette.
    stored : bool
        Whether values stay as they are, as those of labels do.

    Raises
    ------
    InputError
        If the colour space is not supported.
    """
    page = series.keyframe
    _refuse(page, path)
    shape = tuple(int(n) for n in series.shape)
    found, notes = _samples(series, _names_its_axes(tiff, series))
    found, more = _unnamed_colours(found, shape)
    notes += more
    known = to_known_axes(found, shape)
    notes += [
        f"Axis {axis} has no name in the file and is taken to count planes; "
        f"--axes {known.replace(axis, 'C')} takes channels."
        for axis, length in zip(known, shape, strict=True)
        if axis in "QI" and length > 1 and "C" not in known
    ]
    if len(axes) == len(known):
        # The user stated the axes, so nothing is guessed.
        notes = []
    dtype = np.dtype(series.dtype)
    if stored:
        return PixelInterpretation(known, tuple(notes), dtype)
    if page.photometric == PHOTOMETRIC.PALETTE and "S" not in known:
        return _palette(series, known, notes, axes)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        notes += ["White is stored as 0, so the values are inverted: bright is high."]
        return PixelInterpretation(known, tuple(notes), dtype, _inverter(page), ())
    return PixelInterpretation(known, tuple(notes), dtype)


def _refuse(page: Any, path: Path) -> None:
    what = _REFUSED.get(page.photometric)
    if page.photometric == PHOTOMETRIC.YCBCR and page.compression not in _DECODED_YCBCR:
        what = "in YCbCr colours that are not compressed as JPEG"
    if what:
        raise InputError(f"{path} is {what}; save it as RGB or gray.")


def _names_its_axes(tiff: tifffile.TiffFile, series: Any) -> bool:
    if series.kind != "shaped":
        return series.kind in _NAMED_KINDS
    stated = tiff.shaped_metadata or ()
    return any("axes" in each for each in stated)


def _samples(series: Any, named: bool) -> tuple[str, list[str]]:
    """Return axes in which S is colour, and nothing else is called so; with notes."""
    axes, page = str(series.axes), series.keyframe
    if "S" not in axes:
        return axes, []
    at = axes.index("S")
    count = int(series.shape[at])
    if page.photometric not in (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR) or count not in (3, 4):
        return (axes if count == 1 else _as_channels(axes)), []
    if at < axes.index("X") and not named and (count == 4 or series.kind == "shaped"):
        taken = axes.replace("S", next(a for a in "ZTQI" if a not in axes))
        return taken, [
            f"{count} samples that are stored one after the other are taken as planes; "
            f"--axes {axes} takes them as colours, --axes {_as_channels(axes)} as channels."
        ]
    if count == 3 and at < axes.index("X") and not named:
        return axes, [
            "3 samples that are stored one after the other are taken as colours, as the file says; "
            f"--axes {axes.replace('S', next(a for a in 'ZTQI' if a not in axes))} takes them as "
            "planes."
        ]
    if count == 3:
        return axes, []
    if page.extrasamples and int(page.extrasamples[0]) in _ALPHA:
        return axes, [
            "The fourth sample is transparency, as the file says, and is left out; "
            f"--axes {_as_channels(axes)} takes all four as channels."
        ]
    return _as_channels(axes), [
        "The file does not say that its fourth sample is transparency, so the four are channels; "
        f"--axes {axes} takes three of them as colours."
    ]


def _as_channels(axes: str) -> str:
    return axes.replace("S", "C" if "C" not in axes else "Q")


def _unnamed_colours(axes: str, shape: tuple[int, ...]) -> tuple[str, list[str]]:
    """Return axes of unnamed stacks that look like colours, as of a saved (Y, X, 3) array."""
    if not set(axes) <= set("QIYX") or len(axes) < 3 or guess_axes(shape[-3:]) != "YXS":
        return axes, []
    colours, channels = axes[:-3] + "YXS", axes[:-3] + "YXC"
    if shape[-1] == 3:
        return colours, [
            f"Three values a pixel are taken as colours; --axes {channels} takes channels."
        ]
    return channels, [
        f"Four values a pixel are taken as channels; --axes {colours} takes three as colours."
    ]


def to_known_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return tifffile's axes in the letters that this package knows.

    Samples that are no colours are channels; axes without a known name of their own (lifetime,
    angle, phase, ...) become Q, I, Z or T, whichever is free.

    Raises
    ------
    InputError
        If there are more axes than letters.

    Examples
    --------
    >>> to_known_axes("HYX", (16, 512, 512))
    'QYX'
    """
    out: list[str] = []
    for letter, length in zip(axes, shape, strict=True):
        if letter == "S" and length not in _COLOUR_SAMPLES and "C" not in axes:
            out.append("C")
            continue
        if letter in "TZCYXSQI" and letter not in out:
            out.append(letter)
            continue
        free = [name for name in _UNNAMED if name not in out and name not in axes]
        if not free:
            raise InputError(
                f"An image with axes {axes} and shape {tuple(shape)} has too many dimensions; "
                "split it into files of at most five."
            )
        out.append(free[0])
    return "".join(out)


def _inverter(page: Any) -> Callable[[Pixels], Pixels]:
    """Return a function that inverts pixels whose white is stored as 0."""
    dtype = np.dtype(page.dtype)
    if dtype.kind == "u" and page.bitspersample < 8 * dtype.itemsize:
        white = dtype.type(2**page.bitspersample - 1)
        return lambda pixels: np.subtract(white, pixels)
    # Of whole numbers, the largest becomes the smallest; of others, order is all that is known.
    return np.negative if dtype.kind == "f" else np.invert


def _palette(series: Any, axes: str, notes: list[str], asked: str) -> PixelInterpretation:
    page = series.keyframe
    dtype = np.dtype(series.dtype)
    table = np.asarray(page.colormap)
    used = np.zeros((2**page.bitspersample, 3), np.uint8)
    readable = dtype.kind in "bu" and table.ndim == 2 and len(table) == 3
    if series.kind in _INTENSITY_KINDS or not readable:
        return PixelInterpretation(axes, tuple(notes), dtype)
    # The tag holds 16 bits, but some programs write only 8 into them.
    table = table >> 8 if table.max(initial=0) > 255 else table
    used[: table.shape[1]] = table.T[: len(used)]
    gray = bool((used == used[:, :1]).all())
    bright = _grows_brighter(used)
    if gray and not bright:
        return PixelInterpretation(
            axes,
            (*notes, "Its palette of grays is applied."),
            np.dtype(np.uint8),
            lambda pixels: np.take(used[:, 0], pixels.astype(np.intp)),
        )
    if bright if not asked else "S" not in asked:
        said = () if gray else (
            "Its palette grows brighter with the values, so the values are taken as intensities; "
            f"--axes {axes}S takes the colours.",
        )  # fmt: skip
        return PixelInterpretation(axes, (*notes, *said), dtype)

    def colours(pixels: Pixels) -> Pixels:
        # As many as there are; of one bit they are booleans, which would choose and not count.
        return used[pixels.astype(np.intp)]

    said = (f"The colours of its palette are taken; --axes {axes} takes the values.",)
    return PixelInterpretation(axes + "S", (*notes, *said), np.dtype(np.uint8), colours, (3,))


def _grows_brighter(colours: NDArray[np.uint8]) -> bool:
    """Return True for a palette of intensities: the higher a value, the brighter its colour."""
    # The first and the last colour often mark values outside of the range.
    luminance = colours[1:-1] @ np.array([0.299, 0.587, 0.114])
    steps = np.diff(luminance)
    rise = float(luminance.max(initial=0) - luminance.min(initial=255))
    return len(steps) > 1 and rise > 0 and float(-steps[steps < 0].sum()) <= _FALLS * rise
