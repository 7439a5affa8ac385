"""Units of lengths in tables: pixels, or calibrated lengths with their scale."""

from collections.abc import Sequence
from pathlib import Path

from napari_segany.core.units import convert
from napari_segany.errors import InputError
from napari_segany.io.detections.types import TableImage, Units

Scale = tuple[float, float]
"""Pixels along rows and columns (Y, X) in one unit of the table."""

IN_PIXELS: Scale = (1.0, 1.0)

_PRINTED = 0.0006
"""Rounding error of a number with three decimals, as programs print it."""


def calibrated(path: Path, image: TableImage, what: str, micrometres: bool = False) -> Scale:
    """Return the scale of lengths in the image's unit (that of its columns), or in micrometres.

    Raises
    ------
    InputError
        If the image does not say how large its pixels are.
    """
    sizes = [image.pixel_size.get(axis) for axis in "YX"]
    target = "um" if micrometres else unit_of(image)
    factors = []
    for size in sizes:
        length = None if size is None else convert(size[0], size[1], target)
        if length is None:
            raise InputError(
                f"{what} of {path} are no pixels, and the image does not say how large its pixels "
                f"are{' in micrometres' if micrometres else ''}. Save the image with its pixel "
                "size, or say --table-units pixels (in napari: units)."
            )
        factors.append(1 / length)
    return factors[0], factors[1]


def chosen_scale(path: Path, image: TableImage, chosen: Units | None) -> Scale:
    """Return the scale of a table that is in pixels unless the options say calibrated."""
    return calibrated(path, image, "Lengths") if chosen == "calibrated" else IN_PIXELS


def is_sized(image: TableImage) -> bool:
    """Return True if the image states its pixel size."""
    return {"Y", "X"} <= set(image.pixel_size)


def unit_of(image: TableImage) -> str:
    """Return the unit of the image's pixel size."""
    return image.pixel_size["X"][1] if "X" in image.pixel_size else "pixels"


def inferred_scale(
    path: Path,
    image: TableImage,
    chosen: Units | None,
    lengths: Sequence[tuple[float, str]],
    areas: Sequence[float],
) -> Scale:
    """Return the scale of a table whose program knows pixel sizes, by its whole numbers.

    Boxes and areas of pixels are whole numbers of pixels, so they tell.

    Parameters
    ----------
    path : Path
        The table.
    image : TableImage
        The image.
    chosen : {"pixels", "calibrated"}, optional
        Units chosen in the options.
    lengths : sequence
        Numbers that are whole in pixels, with their axis, "Y" or "X".
    areas : sequence of float
        Areas.

    Raises
    ------
    InputError
        If the image has a pixel size, and the numbers do not tell.
    """
    if chosen == "pixels" or (chosen is None and not is_sized(image)):
        return IN_PIXELS
    scale = calibrated(path, image, "Lengths")
    if chosen == "calibrated" or scale == IN_PIXELS:
        return scale
    per = {"Y": scale[0], "X": scale[1]}
    ratios = [(value, per[axis]) for value, axis in lengths]
    ratios += [(value, scale[0] * scale[1]) for value in areas]
    in_pixels = all(_is_whole(value, 1) for value, _ in ratios)
    in_units = all(_is_whole(value, ratio) for value, ratio in ratios)
    if not ratios or in_pixels == in_units:
        raise InputError(
            f"{path} may hold pixels or {unit_of(image)}: the image has a pixel size, and the "
            "numbers do not tell. Say --table-units pixels, or calibrated (in napari: units)."
        )
    return IN_PIXELS if in_pixels else scale


def _is_whole(value: float, ratio: float) -> bool:
    return abs(value * ratio - round(value * ratio)) <= max(_PRINTED * ratio, 1e-6)
