"""Registry of the formats of image files."""

from collections.abc import Mapping
from pathlib import Path

from napari_segany.io.formats.czi_file import CZI
from napari_segany.io.formats.file_format import FileFormat
from napari_segany.io.formats.lif_file import LIF
from napari_segany.io.formats.nd2_file import ND2
from napari_segany.io.formats.raster_file import RASTER
from napari_segany.io.formats.slide import SLIDES
from napari_segany.io.formats.tiff_file import TIFF
from napari_segany.io.formats.zarr_folder import ZARR

FORMATS: Mapping[str, FileFormat] = {
    each.name: each for each in (ZARR, SLIDES, TIFF, ND2, LIF, CZI, RASTER)
}
"""Formats by name; the first that matches is taken, and the last one takes what is left."""

FIRST_BYTES = 16
"""Number of bytes at the beginning of a file by which its format is found."""


def format_of(path: Path, first: bytes) -> FileFormat:
    """Return the format of a file by its first bytes, or of a folder without any."""
    return next(each for each in FORMATS.values() if each.matches(path, first))
