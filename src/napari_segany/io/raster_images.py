"""PNG and JPEG files, which are read whole."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_segany.errors import InputError

RASTER_SUFFIXES = (".png", ".jpg", ".jpeg")
"""Endings of PNG and JPEG files, in lower case."""


def read_raster(path: Path, stored: bool = False) -> NDArray[np.generic]:
    """Return the pixels of a PNG or JPEG file, (Y, X) or (Y, X, 3).

    Parameters
    ----------
    path : Path
        The file.
    stored : bool
        Whether numbers of palette colours stay numbers, for labels and masks.

    Raises
    ------
    UnidentifiedImageError
        If it is neither.
    InputError
        If it is too large or damaged.
    """
    try:
        return _read(path, stored)
    except UnidentifiedImageError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} is too large to be read at once ({error}). Save it as TIFF."
        ) from error
    # Pillow reports damage as OSError, SyntaxError, ValueError or struct.error.
    except Exception as error:
        raise InputError(f"{path} is damaged ({error}); copy or save it again.") from error


def _read(path: Path, stored: bool) -> NDArray[np.generic]:
    with warnings.catch_warnings():
        # Pillow warns from 90 megapixels on, which is nothing unusual here.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.format == "PNG" and _is_deep_colour(path):
                # Pillow would cut 16-bit colours to 8 bits.
                from imagecodecs import png_decode

                deep = np.asarray(png_decode(path.read_bytes()))
                return deep[..., 0] if deep.shape[-1] == 2 else deep[..., :3]
            return np.asarray(image) if stored and image.mode == "P" else _to_array(image)


def _is_deep_colour(path: Path) -> bool:
    """Return True if a PNG has 16 bits per sample and several samples, by its header."""
    with path.open("rb") as file:
        header = file.read(26)
    depth, colour_type = header[24], header[25]
    return depth == 16 and colour_type != 0


def _to_array(image: Image.Image) -> NDArray[np.generic]:
    mode = image.mode
    if mode in ("1", "L", "F") or mode.startswith("I"):
        return np.asarray(image)
    if mode in ("LA", "La"):
        return np.asarray(image.convert("L"))
    rgb = np.asarray(image.convert("RGB"))
    gray_palette = mode in ("P", "PA") and (rgb == rgb[..., :1]).all()
    return rgb[..., 0] if gray_palette else rgb
